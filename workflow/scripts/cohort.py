from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.genome.fasta import Genome
    from genebert.motifs.jaspar import read_jaspar
    from genebert.settings.cohort import CohortSimulationSettings
    from genebert.simulate.cohort import simulate_cohort

    simulate_cohort(
        CohortSimulationSettings(seed=snakemake.params.seed, **snakemake.params.cohort),
        Genome(snakemake.input.genome[0]),
        read_jaspar(snakemake.input.jaspar),
        Path(snakemake.output[0]).parent,
    )
