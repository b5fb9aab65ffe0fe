"""A toy training: regions of two kinds of base composition, and a GeneBERT of one layer."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from genebert.corpus.groups import Groups, group_regions
from genebert.genome.sequences import RegionSequences
from genebert.settings.models import LossSettings, ModelSettings, RegionEncoderSettings, SequenceEncoderSettings
from genebert.settings.training import TrainingSettings
from genebert.training import meter
from genebert.training.loop import pretrain
from genebert.training.objectives.genebert import Data, GeneBERTObjective
from genebert.training.parallel import processes

meter.PROBE_SIZE = {"cpu": 32, "cuda": 32}  # the speed of this machine is of no interest here

MODEL = ModelSettings(
    3,
    "concatenated",
    SequenceEncoderSettings(1, 32, 2, 64, 0.1, 0.0, 512, weights=None),
    RegionEncoderSettings("region-transformer", "fold", None, {"layers": 1, "hidden": 32, "heads": 2}),
    LossSettings(True, True, "infonce", 0.5, 0.07, "cls", True),
)
TRAINING = TrainingSettings(
    steps=12, batch=8, micro_batch=None, learning_rate=1e-3, warmup_fraction=0.1, decay_horizon=1.67, betas=(0.9, 0.98),
    epsilon=1e-6, weight_decay=0.01, clip=1.0, mask_rate=0.15, late_mask_rate=0.2, late_mask_from=0.83, strands="given",
    precision="float32", compile=False, checkpoint_activations=False, checkpoint_every=3, log_every=4,
    validate_every=8, validation_batches=2,
)  # fmt: skip


def toy_data(n: int = 400, seed: int = 0) -> tuple[RegionSequences, np.ndarray, Groups]:
    """Regions in stretches of two kinds of base composition, with motif scores that follow the composition."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(20, 40, n)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    rich = np.repeat(rng.random(n // 20) < 0.5, 20)
    codes = np.concatenate(
        [
            rng.choice(4, size, p=[0.1, 0.4, 0.4, 0.1] if r else [0.4, 0.1, 0.1, 0.4])
            for size, r in zip(lengths, rich, strict=True)
        ]
    ).astype(np.uint8)
    counts = np.array([np.bincount(codes[a:b], minlength=4) for a, b in itertools.pairwise(offsets)])
    motifs = (counts @ rng.normal(size=(4, 12)) / 5 + rng.normal(size=(n, 12)) * 0.1).astype(np.float16)
    start = np.arange(n, dtype=np.int64) * 100
    regions = pd.DataFrame({"chrom": "chr1", "start": start, "end": start + lengths})
    groups, _ = group_regions(sp.csr_matrix(rng.random((3, n)) < 0.8), regions, ["a", "b", "c"], 4, (), 0.15)
    return RegionSequences(codes, offsets, "toy"), motifs, groups


def toy_objective(training=TRAINING, model=MODEL, data=None, seed=7, **where) -> GeneBERTObjective:
    return GeneBERTObjective(model, training, Data(*(data or toy_data()), 4, {"x": "y"}), seed, **where)


def run(folder: Path, training=TRAINING, model=MODEL, data=None, device: str = "cpu") -> Path:
    """Train in this process, which may be one of several; return the model's folder."""
    with processes(device) as (ranks, where):
        objective = toy_objective(training, model, data, ranks=ranks, device=where)
        pretrain(objective, training, 7, folder / "checkpoints", folder / "model")
    return folder / "model"


def without_dropout(settings: ModelSettings) -> ModelSettings:
    """Return the settings of a model whose training draws no random numbers but those of masks."""
    region = {**settings.region_encoder.arguments, "dropout": 0.0}
    return replace(
        settings,
        sequence_encoder=replace(settings.sequence_encoder, dropout=0.0),
        region_encoder=replace(settings.region_encoder, arguments=region),
    )


def at_step(monkeypatch, number: int, action) -> None:
    """Do something before the losses of a step are computed, as long as the patch lasts."""
    real = GeneBERTObjective.compute

    def compute(self, share, step, *, train=True):
        if step == number and train:
            action()
        return real(self, share, step, train=train)

    monkeypatch.setattr(GeneBERTObjective, "compute", compute)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
