"""The best match of the factor's own JASPAR matrix, made a probability by a one-dimensional logistic regression."""

import logging
import re
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.genome.bases import encode
from genebert.genome.sequences import RegionSequences
from genebert.motifs.jaspar import Motif
from genebert.motifs.matrix import MotifSettings
from genebert.motifs.scan import BestScorer
from genebert.motifs.scoring import base_counts, score_motifs, strand_background

logger = logging.getLogger(__name__)

# A calibration that falls with the score would turn the ranking round; instead it rises by this much a standard
# deviation, which leaves the ranking as it is and says about the same of every sequence.
LEAST_SLOPE = 1e-3


def factor_motifs(motifs: list[Motif], factor: str) -> list[Motif]:
    """Return the matrices of a transcription factor, in the order of `motifs`.

    Those of its name, JASPAR's variants such as ``JUN(var.2)`` included; where there is none, those of dimers of which
    it is a partner, such as ``MAX::MYC``. Upper and lower case are the same: JASPAR writes mouse factors ``Ahr``.
    """
    partners = [re.sub(r"\(VAR\.\d+\)$", "", motif.name.upper()).split("::") for motif in motifs]
    factor = factor.upper()
    own = [motif for motif, names in zip(motifs, partners, strict=True) if names == [factor]]
    return own or [motif for motif, names in zip(motifs, partners, strict=True) if factor in names]


def _regions(table: pd.DataFrame) -> RegionSequences:
    lengths = table["sequence"].str.len().to_numpy(np.int64)
    return RegionSequences(encode("".join(table["sequence"])), np.concatenate([[0], np.cumsum(lengths)]), "")


@dataclass(frozen=True)
class PwmModel:
    """A matrix and its calibration: probability = sigmoid(slope * best score + intercept), with a slope above 0.

    Attributes
    ----------
    motif : Motif
    log_odds : float64 [4, width]
    scorer : BestScorer
        Of this matrix alone.
    slope, intercept : float
    """

    motif: Motif
    log_odds: np.ndarray
    scorer: BestScorer
    slope: float = 1.0
    intercept: float = 0.0

    def best_scores(self, table: pd.DataFrame) -> np.ndarray:
        """Return the best log-odds (natural logarithm) over both strands (float64 [n]).

        Windows with N do not count; a sequence that has no other gets the lowest score that the matrix can give.

        Raises
        ------
        InputError
            A sequence is shorter than the matrix.
        """
        shortest = int(table["sequence"].str.len().min())
        if shortest < self.motif.width:
            raise InputError(
                f"pwm: a sequence of {shortest} bases found; expected at least {self.motif.width}, the width of "
                f"{self.motif.matrix_id} ({self.motif.name})"
            )
        scores = self.scorer.score(_regions(table), np.arange(len(table)))[:, 0].astype(np.float64)
        unknown = np.isnan(scores)
        if unknown.any():
            logger.warning("pwm: %d of %d sequences have N in every window", int(unknown.sum()), len(scores))
        return np.where(unknown, self.log_odds.min(axis=0).sum(), scores)

    def predict(self, table: pd.DataFrame) -> np.ndarray:
        """Return the probability of class 1 (float64 [n]); its order is that of the best scores."""
        return 1 / (1 + np.exp(-(self.slope * self.best_scores(table) + self.intercept)))


def _calibrate(score: np.ndarray, label: np.ndarray) -> tuple[float, float]:
    """Return slope and intercept of a logistic regression on the score; the slope is above 0."""
    from sklearn.linear_model import LogisticRegression

    mean, spread = score.mean(), score.std() or 1.0
    model = LogisticRegression().fit(((score - mean) / spread)[:, None], label)
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    if slope <= 0:
        logger.warning("pwm: negatives match the matrix better than positives; the probabilities say next to nothing")
        slope, intercept = LEAST_SLOPE, float(np.log(label.mean() / (1 - label.mean())))
    return float(slope / spread), float(intercept - slope * mean / spread)


def fit_pwm(tables: dict[str, pd.DataFrame], motifs: list[Motif]) -> tuple[PwmModel, dict[str, Any]]:
    """Choose among a factor's matrices by the AUC on ``valid``, and calibrate on ``train``.

    Log-odds as in the regions x TFs matrix (counts, pseudocount 1). The background is the base composition of the
    training sequences: positives and shuffled negatives share it, and the test set stays out of it.

    Parameters
    ----------
    tables : dict
        ``train`` and ``valid`` -> DataFrame with columns sequence, label.
    motifs : list of Motif
        All matrices of the factor (:func:`factor_motifs`).

    Returns
    -------
    model : PwmModel
    settings : dict
        For the record: the matrix and the others tried, background, calibration.

    Raises
    ------
    InputError
        No matrix, a sequence shorter than one, or training sequences without A and T, or without C and G.
    """
    from sklearn.metrics import roc_auc_score

    if not motifs:
        raise InputError("pwm: found no matrix, expected at least one of the factor")
    background = strand_background(base_counts(_regions(tables["train"])).sum(axis=0))
    options = MotifSettings()
    models, auc = [], {}
    for motif in motifs:
        scoring = score_motifs([motif], background, options.source, options.pseudocount, options.p_value)
        models.append(PwmModel(motif, scoring.matrices[0], BestScorer(scoring)))
        auc[motif.matrix_id] = float(roc_auc_score(tables["valid"]["label"], models[-1].best_scores(tables["valid"])))
    best = max(models, key=lambda model: auc[model.motif.matrix_id])
    slope, intercept = _calibrate(best.best_scores(tables["train"]), tables["train"]["label"].to_numpy())
    settings = {
        "matrix": best.motif.matrix_id,
        "matrix_name": best.motif.name,
        "valid_auc_of_matrices": auc,
        "background": list(background),
        **{key: value for key, value in asdict(options).items() if key in ("source", "pseudocount")},
        "calibration": {"slope": slope, "intercept": intercept},
    }
    return PwmModel(best.motif, best.log_odds, best.scorer, slope, intercept), settings
