from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.genome.sequences import RegionSequences
    from genebert.motifs.jaspar import read_jaspar
    from genebert.motifs.matrix import MotifSettings, build_motif_matrix

    config = snakemake.params.motifs
    build_motif_matrix(
        RegionSequences.load(Path(snakemake.input.sequences[0]).parent).crop(config["region_bp"]),
        read_jaspar(snakemake.input.jaspar, snakemake.input.families),
        MotifSettings(
            **{key: config[key] for key in ("matrix", "source", "pseudocount", "background", "p_value", "release")}
        ),
        Path(snakemake.output[0]).parent,
        snakemake.threads,
    )
