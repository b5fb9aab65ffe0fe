"""Simple models that belong beside every pre-trained one (docs/facts.md 35).

``pwm``
    The best match of the factor's own JASPAR matrix.
``kmer-logreg``
    Logistic regression on k-mer counts.
``boosted-trees``
    Gradient boosting on the base of every position and k-mer counts.
``cnn``
    A small convolutional network.
"""

from genebert.baselines.features import kmer_counts, positional_one_hot
from genebert.baselines.fitting import BASELINES, Baseline, Fitted, cross_validate, fit, fit_and_score
from genebert.baselines.run import run_baseline

__all__ = [
    "BASELINES",
    "Baseline",
    "Fitted",
    "cross_validate",
    "fit",
    "fit_and_score",
    "kmer_counts",
    "positional_one_hot",
    "run_baseline",
]
