from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.accessibility import load_regions
    from genebert.genome import Genome, extract_sequences

    extract_sequences(
        Genome(snakemake.input.genome[0]),
        load_regions(snakemake.input.regions),
        snakemake.params.build,
        snakemake.input.regions,
    ).save(Path(snakemake.output[0]).parent)
