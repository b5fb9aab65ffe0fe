from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.tasks.base import Sources
    from genebert.tasks.registry import all_tasks

    params, genome = snakemake.params, snakemake.input.get("genome")
    files = {name: Path(path) for name, path in snakemake.input.items() if name != "genome"}
    sources = Sources(files, Path(genome[0]) if genome else None, list(params.chromosomes), params.seed)
    all_tasks()[snakemake.wildcards.task].build(params.settings, sources, Path(snakemake.output[0]).parent)
