"""What linear maps explain of the motif scores of held-out regions: of a trained model's states, and of composition.

    python benchmarks/explained.py results/fetal-brain genebert dnabert from-scratch

reads a run's corpus, sequences and matrix, and any of its models, also those whose training read no matrix. A region's
states are the mean of its k-mers', unmasked. A ridge regression from them to all motifs' standardised scores is fitted
on regions of training samples, and asked in those of validation samples (docs/learning.md): the share of each motif's
variance that it explains, as the training curves show it, of more regions. `--each FILE` writes the share of every
motif as a tab-separated table, in the order of the matrix.
"""

import argparse
from pathlib import Path

import numpy as np
from matching import print_figures

from genebert.corpus.groups import TRAIN, VALID, Groups
from genebert.files import read_json
from genebert.genome.sequences import RegionSequences
from genebert.genome.tables import read_table
from genebert.models.embedding import embed_samples, read_model
from genebert.motifs.matrix import load_motif_matrix
from genebert.training.objectives.genebert_explained import Probe, Shares
from genebert.training.objectives.genebert_matching import Rows, composition_features

QUARTILES = (25, 50, 75)


def described(shares: Shares) -> dict[str, float | None]:
    """Return quartiles over motifs, and CTCF's share."""
    known = shares.values[np.isfinite(shares.values)]
    found = {f"p{q}": round(float(np.percentile(known, q)), 4) for q in QUARTILES}
    found["CTCF"] = None if shares.ctcf is None else round(float(shares.values[shares.ctcf]), 4)
    return found


def measure(run: Path, names: list[str], samples: int, each: Path | None) -> dict:
    """Return figures of composition and of models of a run, of at most `samples` held-out samples.

    With `each` every motif's share is written there.
    """
    train, valid = (Groups.load(run / "corpus").subset(split) for split in (TRAIN, VALID))
    motifs = read_table(run / "motifs/motifs.tsv", ["matrix_id", "name"])
    ids = motifs["matrix_id"].tolist()
    probe = Probe(Rows(load_motif_matrix(run / "motifs"), train), train, valid, samples, ids)
    scanned = read_json(run / "motifs/motifs.json")["settings"]["region_bp"]
    whole = RegionSequences.load(run / "sequences")
    shares: dict[str, Shares] = {}
    for name, features in composition_features(whole.crop(scanned), probe.fit_regions).items():
        shares[name] = probe.linear(*(features[one.ravel()] for one in (probe.fitted, probe.held)))
    for name in names:
        folder = run / "models" / name
        model = read_model(folder, "regions")
        # An untrained model is told nothing of regions: it is shown what was scanned.
        shown = whole.crop(read_json(folder / "model.json")["data"].get("region_bp", scanned))
        width = model.settings.sequence_encoder.hidden
        states = [embed_samples(model, shown, one).reshape(-1, width) for one in (probe.fitted, probe.held)]
        shares[name] = probe.linear(*states)
        if model.regression is not None:
            predicted = embed_samples(model, shown, probe.held, model.predicted_scores)
            shares[f"{name}, own map"] = probe.predicted(predicted.reshape(len(states[1]), -1))
    if each is not None:
        table = motifs[["matrix_id", "name"]].assign(**{name: one.values for name, one in shares.items()})
        table.to_csv(each, sep="\t", index=False, float_format="%.4f", na_rep="NA")
    regions = {"fitted": len(probe.fit_regions), "held_out": len(probe.held_regions)}
    return {"motifs": len(ids), **regions} | {name: described(one) for name, one in shares.items()}


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?", help="the run's folder")
    parser.add_argument("models", nargs="*", help="models of the run, by default genebert")
    parser.add_argument("--samples", type=int, default=200, help="held-out samples, of at most 2,000 regions")
    parser.add_argument("--each", type=Path, metavar="FILE", help="write the share of every motif there")
    print_figures(parser, lambda run, asked: measure(run, asked.models or ["genebert"], asked.samples, asked.each))


if __name__ == "__main__":
    main()
