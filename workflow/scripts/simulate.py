from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.motifs.jaspar import read_jaspar
    from genebert.settings.data import SimulationSettings
    from genebert.simulate.atlas import simulate

    simulate(
        SimulationSettings(seed=snakemake.params.seed, **snakemake.params.simulate),
        read_jaspar(snakemake.input[0]),
        Path(snakemake.output[0]).parent,
    )
