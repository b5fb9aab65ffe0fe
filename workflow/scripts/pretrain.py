from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    import torch

    from genebert.corpus import Groups
    from genebert.files import sha256
    from genebert.genome import RegionSequences
    from genebert.models.genebert import ModelSettings
    from genebert.motifs import MotifMatrix
    from genebert.training.loop import TrainingSettings, pretrain

    torch.set_num_threads(snakemake.threads)
    sequences, motifs = snakemake.input.sequences[0], snakemake.input.motifs[0]
    model = snakemake.params.model
    pretrain(
        ModelSettings.from_dict(model),
        TrainingSettings(**model["training"]),
        RegionSequences.load(Path(sequences).parent).crop(snakemake.params.region_bp),
        MotifMatrix.load(Path(motifs).parent).values,
        Groups.load(Path(snakemake.input.groups).parent),
        snakemake.params.seed,
        snakemake.params.checkpoints,
        Path(snakemake.output[0]).parent,
        {
            "region_bp": snakemake.params.region_bp,
            **{str(path): sha256(path) for path in (sequences, motifs, snakemake.input.groups)},
            **{str(path): sha256(path) for path in snakemake.input.weights},
        },
    )
