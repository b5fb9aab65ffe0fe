"""What a trained model's sequence-region matching is beyond base composition: floors, matched and swapped retrieval.

    python benchmarks/matching.py results/fetal-brain genebert

reads a run's corpus, sequences, matrix and model, and prints for its first validation batches what the training curves
of new models show (docs/learning.md): retrieval, what length and composition alone retrieve, matched retrieval, whose
decoys are rows of regions of nearly the same GC, CpG and length, and retrieval of such rows in place of a sample's own.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from genebert.corpus.groups import Groups
from genebert.files import read_json
from genebert.genome.sequences import RegionSequences
from genebert.models.genebert import GeneBERT
from genebert.motifs.jaspar import load_jaspar
from genebert.motifs.matrix import build_motif_matrix, load_motif_matrix
from genebert.settings.data import MotifSettings
from genebert.settings.models import ModelSettings, RegionEncoderSettings, SequenceEncoderSettings
from genebert.settings.training import TrainingSettings
from genebert.training.objectives.genebert import Data, GeneBERTObjective
from genebert.training.objectives.genebert_matching import MATCHED


def measure(run: Path, name: str, batch: int | None = None, batches: int = 8) -> dict:
    """Return the validation figures and floors of a model of a run, with `batch` samples (default: its own)."""
    info = read_json(run / "models" / name / "model.json")
    model = GeneBERT.load(run / "models" / name).eval()
    training = TrainingSettings(**info["training"])
    training = replace(training, batch=batch or training.batch, micro_batch=None, validation_batches=batches)
    data = Data(
        RegionSequences.load(run / "sequences").crop(info["data"]["region_bp"]),
        load_motif_matrix(run / "motifs"),
        Groups.load(run / "corpus"),
        info["regions_per_sample"],
        {},
    )
    objective = GeneBERTObjective(model.settings, training, data, info["seed"])
    objective.model = model
    with torch.no_grad():
        figures = objective.validate()
    floors = objective.floors()
    contrast = model.settings.losses.contrast
    candidates = training.batch * (info["regions_per_sample"] if contrast == "regions" else 1)
    return {
        "contrast": contrast,
        "candidates": candidates,
        "chance_of_matched": 1 / (MATCHED + 1),
        **{
            name: {"model": round(figures[name], 4), **floors[name]}
            for name in ("srm_accuracy", "srm_matched", "srm_swapped")
        },
    }


def smallest(run: Path) -> None:
    """Write a run of random regions, and a model that has learnt nothing."""
    rng = np.random.default_rng(0)
    codes, offsets = rng.integers(0, 4, 400 * 60).astype(np.uint8), np.arange(401, dtype=np.int64) * 60
    sequences, zeros = RegionSequences(codes, offsets, "random"), np.zeros(100, dtype=np.int32)
    sequences.save(run / "sequences")
    build_motif_matrix(sequences, load_jaspar()[:8], MotifSettings(), run / "motifs", 1)
    regions, split = np.arange(400, dtype=np.int32).reshape(-1, 4), (np.arange(100) >= 60).astype(np.uint8)
    (run / "corpus").mkdir()
    Groups(regions, zeros.astype(np.int16), zeros, split).save(run / "corpus")
    encoder = SequenceEncoderSettings(1, 16, 2, 16, max_tokens=512, weights=None)
    region = RegionEncoderSettings("region-transformer", "fold", None, {"layers": 1, "hidden": 16, "heads": 2})
    model = GeneBERT(ModelSettings(3, "concatenated", encoder, region), torch.zeros(8), torch.ones(8), 4)
    training = asdict(TrainingSettings(batch=8, micro_batch=None))
    record = {"training": training, "seed": 0, "data": {"region_bp": None}, "regions_per_sample": 4}
    model.save(run / "models" / "genebert", record)


def print_figures(parser: argparse.ArgumentParser, measure: Callable[[Path, argparse.Namespace], dict]) -> None:
    """Print figures of a run, the first argument of the command line, as one JSON object."""
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--smallest", action="store_true", help="a random run: only to see that it works")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    with tempfile.TemporaryDirectory() as folder:
        if asked.smallest:
            smallest(Path(folder))
        elif asked.run is None:
            parser.error("found no run, expected its folder")
        found = measure(asked.run or Path(folder), asked)
    print(json.dumps(found, indent=1))


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?", help="the run's folder")
    parser.add_argument("model", nargs="?", default="genebert", help="a model that was trained with srm")
    parser.add_argument("--batch", type=int, help="samples of a batch; by default those of the training")
    parser.add_argument("--batches", type=int, default=8, help="validation batches")
    print_figures(parser, lambda run, asked: measure(run, asked.model, asked.batch, asked.batches))


if __name__ == "__main__":
    main()
