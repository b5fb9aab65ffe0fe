from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.sources.download import retrieve
    from genebert.sources.registry import load_registry

    source = load_registry(Path(snakemake.input[0]).parent)[snakemake.wildcards.source]
    retrieve(source, Path(snakemake.output[0]), snakemake.params.mirror)
