from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.files import write_json
    from genebert.sources.placed import check_placed
    from genebert.sources.registry import load_registry

    source = load_registry(snakemake.params.registry)[snakemake.wildcards.source]
    write_json(snakemake.output[0], check_placed(source, Path(snakemake.params.path)))
