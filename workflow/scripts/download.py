from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.sources import read_registry, retrieve

    registry = read_registry(snakemake.input[0])
    retrieve(registry[snakemake.wildcards.source], Path(snakemake.output[0]), snakemake.params.mirror)
