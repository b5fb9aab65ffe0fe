from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.tasks.base import Sources
    from genebert.tasks.registry import all_tasks

    params = snakemake.params
    files = {name: Path(path) for name, path in snakemake.input.items() if name != "genome"}
    genome = Path(snakemake.input.genome[0]) if "genome" in snakemake.input.keys() else None
    all_tasks()[snakemake.wildcards.task].build(
        params.settings, Sources(files, genome, list(params.chromosomes), params.seed), Path(snakemake.output[0]).parent
    )
