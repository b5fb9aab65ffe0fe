from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    import numpy as np

    from genebert.corpus.groups import TRAIN, Groups
    from genebert.genome.sequences import RegionSequences
    from genebert.motifs.jaspar import read_jaspar
    from genebert.motifs.matrix import build_motif_matrix
    from genebert.settings.data import MotifSettings

    settings = MotifSettings(**snakemake.params.motifs)
    training = None
    if snakemake.input.training:
        groups = Groups.load(Path(snakemake.input.training[0]).parent)
        training = np.unique(groups.subset(TRAIN).regions)
    build_motif_matrix(
        RegionSequences.load(Path(snakemake.input.sequences[0]).parent).crop(settings.region_bp),
        read_jaspar(snakemake.input.jaspar, snakemake.input.families),
        settings,
        Path(snakemake.output[0]).parent,
        snakemake.threads,
        training,
    )
