"""Baselines that know what pre-training with motifs knows: the best scores of all matrices of a JASPAR release.

A model that has seen JASPAR is to be compared with models that have (docs/tasks.md). Nothing here is learned but from
the labelled sequences: the matrices are the release's, their background is the base composition of all training
sequences, also where only a part of them has labels.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from genebert.errors import InputError
from genebert.evaluation.examples import Examples
from genebert.evaluation.kinds.base import Kind
from genebert.files import sha256
from genebert.methods.base import Fitted, Method
from genebert.methods.best_scores import SCORING, BestScores, background_of
from genebert.methods.features import LEAF, LEAF_OF_FEW, TREES, count_features
from genebert.methods.pwm import Matrix, PwmModel
from genebert.methods.scikit import (
    PENALTIES,
    aucs,
    calibrate,
    choose_penalty,
    l1_classifier,
    least_l1,
    read_parts,
    write_parts,
)
from genebert.motifs.jaspar import jaspar_text, read_jaspar

MOTIFS = "motifs.txt"
# Of few examples a leaf of `motif-trees` holds this part at least.
LEAF_SHARE = 20
KMERS = (1, 2, 3)  # beside the scores and the bases in `motif-trees`


@dataclass(frozen=True)
class Release:
    """Where the matrices come from, for the record."""

    release: str = "JASPAR2018"


class MotifMethod(Method):
    """What the three share: matrices, and scores of each set that are made once and serve all seeds and sizes."""

    Settings = Release
    kinds = ("two-class",)
    packages = ("MOODS-python", "lightmotif", "scikit-learn", "numpy")

    def __init__(self, kind: Kind, options: dict[str, Any], files: dict[str, str | Path], card: dict[str, Any]):
        super().__init__(kind, options, files, card)
        self.motifs, self._prepared = read_jaspar(files["jaspar"]), None
        self._lengths: set[int] = set()  # of the sequences that were prepared
        self.source = {"jaspar_release": self.settings.release, "jaspar_sha256": sha256(files["jaspar"])}

    def prepare(self, examples: Examples) -> None:
        """Score all motifs. The first examples are the training set, whose base composition is the background."""
        if self._prepared is None:
            self._prepared = BestScores(self.name, self.motifs, background_of(examples))
        self._prepared.of(examples)
        self._lengths.update(examples.lengths.tolist())

    def scores(self, train: Examples) -> BestScores:
        """Return the scores that were prepared or, without, those with the background of these training examples."""
        return self._prepared or BestScores(self.name, self.motifs, background_of(train))

    def about(self, scores: BestScores) -> dict[str, Any]:
        """Return what the record says of the scores."""
        return {**self.source, "motifs": len(self.motifs), "background": list(scores.background), **SCORING}


class MotifBest(MotifMethod):
    """``motif-best``: of all matrices the one whose best score tells the training classes apart best, calibrated.

    Positives are to match better than negatives: a matrix that they avoid is none.
    """

    name = "motif-best"
    fitted = PwmModel
    deterministic = True

    def fit(self, train: Examples, valid: Examples, seed: int) -> PwmModel:
        """Choose the matrix by the AUC on `train`, and calibrate on it; `valid` is not read."""
        scores = self.scores(train)
        found = scores.of(train)
        auc = aucs(found, train.labels)
        best = int(auc.argmax())
        motif = self.motifs[best]
        falling = "motif-best: negatives match every matrix better than positives"
        slope, intercept = calibrate(found[:, best].astype(np.float64), train.labels, falling)
        settings = {
            **self.about(scores),
            "matrix": motif.matrix_id,
            "matrix_name": motif.name,
            "train_auc": float(auc[best]),
            "calibration": {"slope": slope, "intercept": intercept},
        }
        matrix = Matrix(motif, scores.background, self.name)
        return PwmModel(self.name, self.kind, self.record(settings), matrix, slope, intercept)


@dataclass(frozen=True, eq=False)
class MotifModel(Fitted):
    """A classifier of scikit-learn on the scores and, where `bases` are their length, on bases and k-mers."""

    scores: BestScores
    classifier: Any
    bases: int | None

    def score(self, examples: Examples) -> np.ndarray:
        """Return the probability of class 1 (float64 [n])."""
        return self.classifier.predict_proba(features(self.scores, examples, self.bases))[:, 1].astype(np.float64)

    def write(self, folder: Path) -> None:
        """Write ``model.joblib``, and the matrices as JASPAR text."""
        write_parts(folder, self.classifier, self.bases)
        (folder / MOTIFS).write_text(jaspar_text(self.scores.motifs))

    @classmethod
    def read(cls, folder: Path, *about: Any) -> Self:
        """Read what :meth:`write` wrote."""
        method, *_, record = about
        motifs, background = read_jaspar(folder / MOTIFS), tuple(record["settings"]["background"])
        return cls(*about, BestScores(method, motifs, background), *read_parts(folder))


def features(scores: BestScores, examples: Examples, bases: int | None) -> np.ndarray:
    """Return the best scores and, with a length, the base at each position and counts of k-mers (float32 [n, some])."""
    found = scores.of(examples)
    return found if bases is None else np.hstack([found, count_features(examples, KMERS, bases, "motif-trees")])


class MotifL1(MotifMethod):
    """``motif-l1``: logistic regression on the standardised scores of all matrices, with an L1 penalty."""

    name = "motif-l1"
    fitted = MotifModel
    deterministic = True

    def fit(self, train: Examples, valid: Examples, seed: int) -> MotifModel:
        """Fit on `train`; the penalty is the one with the smallest loss on `valid`.

        Raises
        ------
        InputError
            All training examples have the same scores, so that no penalty leaves a motif.
        """
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        scores = self.scores(train)
        of_train, of_valid = (scores.of(one).astype(np.float64) for one in (train, valid))
        if not np.ptp(of_train, axis=0).any():
            raise InputError(f"{self.name}: all {len(train)} training sequences have the same scores of all motifs")
        least = least_l1(StandardScaler().fit_transform(of_train), train.labels)

        def fit(penalty: float) -> Any:
            return make_pipeline(StandardScaler(), l1_classifier(penalty * least)).fit(of_train, train.labels)

        best, model = choose_penalty(PENALTIES, fit, of_valid, valid.labels)
        weights = model[-1].coef_[0]
        largest = np.argsort(-np.abs(weights), kind="stable")[: min(10, int((weights != 0).sum()))]
        settings = {
            **self.about(scores),
            "inverse_penalties": [least * one for one in PENALTIES],
            "chosen_inverse_penalty": least * best,
            "motifs_used": int((weights != 0).sum()),
            "largest_weights": {self.motifs[i].matrix_id: round(float(weights[i]), 4) for i in largest},
        }
        return MotifModel(self.name, self.kind, self.record(settings), scores, model, None)


class MotifTrees(MotifMethod):
    """``motif-trees``: histogram gradient boosting on the scores of all matrices, with or without the bases.

    Where all sequences have one length, it is fitted a second time with the base at every position and the counts of
    1- to 3-mers beside the scores; the better of both on validation is kept.
    """

    name = "motif-trees"
    fitted = MotifModel

    def fit(self, train: Examples, valid: Examples, seed: int) -> MotifModel:
        """Fit on `train`; `valid` stops the growth and chooses the features, both by the loss."""
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.metrics import log_loss

        scores = self.scores(train)
        given = {"scores": None}
        lengths = self._lengths.union(*(one.lengths.tolist() for one in (train, valid)))
        if len(lengths) == 1:
            given["scores, bases and k-mers"] = lengths.pop()
        trees = {**TREES, "min_samples_leaf": max(LEAF_OF_FEW, min(LEAF, len(train) // LEAF_SHARE))}
        models, losses = {}, {}
        for name, bases in given.items():
            of_train, of_valid = (features(scores, one, bases) for one in (train, valid))
            model = HistGradientBoostingClassifier(early_stopping=True, random_state=seed, **trees)
            models[name] = model.fit(of_train, train.labels, X_val=of_valid, y_val=valid.labels)
            losses[name] = float(log_loss(valid.labels, model.predict_proba(of_valid)))
        best = min(losses, key=losses.get)
        settings = {
            **self.about(scores),
            "features": best,
            "valid_loss": losses,
            **trees,
            "trees": int(models[best].n_iter_),
        }
        return MotifModel(self.name, self.kind, self.record(settings), scores, models[best], given[best])
