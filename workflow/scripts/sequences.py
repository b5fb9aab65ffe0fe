from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.accessibility.build import load_regions
    from genebert.genome.fasta import Genome
    from genebert.genome.sequences import extract_sequences

    extract_sequences(
        Genome(snakemake.input.genome[0]),
        load_regions(snakemake.input.regions),
        snakemake.params.build,
        snakemake.input.regions,
    ).save(Path(snakemake.output[0]).parent)
