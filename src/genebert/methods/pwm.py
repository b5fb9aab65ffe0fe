"""The best match of the factor's own JASPAR matrix, made a probability by a one-dimensional logistic regression."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from genebert.errors import InputError
from genebert.evaluation.examples import Examples
from genebert.evaluation.kinds.base import Kind
from genebert.files import read_json, sha256, write_json
from genebert.methods.base import Fitted, Method, Unavailable
from genebert.methods.best_scores import SCORING, Background, BestScores, background_of
from genebert.methods.scikit import calibrate
from genebert.motifs.jaspar import Motif, factor_motifs, read_jaspar


class Matrix:
    """A motif as log-odds against a background: frequencies of A, C, G, T with A = T and C = G."""

    def __init__(self, motif: Motif, background: Background, name: str = "pwm"):
        self.motif, self.scores = motif, BestScores(name, [motif], background)
        self.log_odds = self.scores.matrices[0]

    def best_scores(self, examples: Examples) -> np.ndarray:
        """Return the best log-odds over both strands (float64 [n]); see :meth:`BestScores.of`."""
        return self.scores.of(examples)[:, 0].astype(np.float64)


@dataclass(frozen=True, eq=False)
class PwmModel(Fitted):
    """A matrix and its calibration: probability = sigmoid(slope * best score + intercept), with a slope above 0."""

    matrix: Matrix
    slope: float
    intercept: float

    def score(self, examples: Examples) -> np.ndarray:
        """Return the probability of class 1 (float64 [n]); its order is that of the best scores."""
        return 1 / (1 + np.exp(-(self.slope * self.matrix.best_scores(examples) + self.intercept)))

    def write(self, folder: Path) -> None:
        """Write ``matrix.json``; all else is in the record."""
        motif = asdict(self.matrix.motif)
        write_json(folder / "matrix.json", motif | {"counts": motif["counts"].tolist()})

    @classmethod
    def read(cls, folder: Path, *about: Any) -> Self:
        """Read ``matrix.json``."""
        motif, settings = read_json(folder / "matrix.json"), about[-1]["settings"]
        motif = Motif(**motif | {"counts": np.array(motif["counts"])})
        matrix = Matrix(motif, tuple(settings["background"]), about[0])
        return cls(*about, matrix, **settings["calibration"])


class Pwm(Method):
    """``pwm``: the best of the factor's matrices on ``valid``, calibrated on ``train``.

    The background is the base composition of the training sequences: positives and shuffled negatives share it, and
    the test set stays out of it. Unavailable where the factor has no matrix; an InputError where the card names none.
    """

    @dataclass(frozen=True)
    class Settings:
        """Where the matrices come from, for the record."""

        release: str = "JASPAR2018"

    name = "pwm"
    fitted = PwmModel
    kinds = ("two-class",)
    deterministic = True
    packages = ("MOODS-python", "lightmotif", "scikit-learn", "numpy")

    def __init__(self, kind: Kind, options: dict[str, Any], files: dict[str, str | Path], card: dict[str, Any]):
        super().__init__(kind, options, files, card)
        factor, jaspar, release = card.get("factor"), files["jaspar"], self.settings.release
        if not isinstance(factor, str) or not factor:
            raise InputError(
                f"pwm: the card of the data set says factor {factor!r}, expected the name of a transcription factor "
                "(pwm is a baseline of tasks on the binding of one factor)"
            )
        self.motifs = factor_motifs(read_jaspar(jaspar), factor)
        if not self.motifs:
            raise Unavailable(f"{release.replace('JASPAR', 'JASPAR ')} CORE vertebrates has no matrix of {factor}")
        self.source = {"factor": factor, "jaspar_release": release, "jaspar_sha256": sha256(jaspar)}

    def fit(self, train: Examples, valid: Examples, seed: int) -> PwmModel:
        """Choose among the matrices by the metric on `valid`, and calibrate on `train`."""
        background = background_of(train)
        matrices = [Matrix(motif, background) for motif in self.motifs]
        auc = {one.motif.matrix_id: self.kind.select(valid, one.best_scores(valid)) for one in matrices}
        best = max(matrices, key=lambda one: auc[one.motif.matrix_id])
        slope, intercept = calibrate(
            best.best_scores(train), train.labels, "pwm: negatives match the matrix better than positives"
        )
        settings = {
            **self.source,
            "matrix": best.motif.matrix_id,
            "matrix_name": best.motif.name,
            "valid_auc_of_matrices": auc,
            "background": list(background),
            **SCORING,
            "calibration": {"slope": slope, "intercept": intercept},
        }
        return PwmModel(self.name, self.kind, self.record(settings), best, slope, intercept)
