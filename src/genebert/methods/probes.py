"""Probes of frozen states that use few of them: what a handful of labelled examples can choose."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from genebert.errors import InputError
from genebert.methods.classifier import Features, Probe
from genebert.methods.scikit import PENALTIES, aucs, choose_penalty, l1_classifier, least_l1

SAME = 1e-9  # standard deviations: a difference of means by rounding alone
FOLDS = 5
# One unit, and multiples of the least inverse strength that leaves a weight.
WAYS: tuple[int | None, ...] = (None, *PENALTIES)


def fit_sparse(
    probe: Probe,
    train: Features,
    labels: np.ndarray,
    valid: Features,
    valid_labels: np.ndarray,
    where: str,
    *,
    sequences: np.ndarray | None = None,
) -> dict[str, Any]:
    """Put logistic regression on one unit, or on several with an L1 penalty, into a probe of two classes.

    The one unit is that whose AUC on the training examples is farthest from 0.5. Of it and of L1 penalties of several
    strengths, what has the smallest loss on the validation examples is kept: with tens of examples that is mostly the
    one unit, with thousands a penalty (docs/learning.md). With `sequences`, the loss is that of the training
    examples, each predicted by what other folds of them were fitted to, and no validation example is read.

    Parameters
    ----------
    train, valid : Features
        Features [n, width], each with its label (0 or 1) in `labels` and `valid_labels`.
    where : str
        For messages.
    sequences : int array [n], optional
        Which sequence a training example is read from: both strands of one stand in the same fold.

    Returns
    -------
    dict
        For the record: ``units``, how many are used, ``largest_weights`` by unit, and ``inverse_penalty``, None for the
        one unit.

    Raises
    ------
    InputError
        Training or validation examples are of one class, no unit differs between the classes of the training examples,
        or with `sequences` fewer than two of a class.
    """
    of_train, of_valid = (_standardised(probe, one) for one in (train, valid))
    for name, one in (("training", labels), ("validation", valid_labels)):
        if len(np.unique(one)) < 2:
            raise InputError(f"{where}: found {name} examples of one class, expected both for a sparse probe")
    _refuse_alike(of_train, labels, where)
    fit = _fits(of_train, labels)
    if sequences is None:
        chosen, model = choose_penalty(WAYS, fit, of_valid, valid_labels)
    else:
        chosen = _chosen_by_folds(of_train, labels, sequences, where)
        model = fit(chosen)
    weights, bias = model.coef_[0], float(model.intercept_[0])
    with torch.no_grad():  # the score is the difference of the two logits
        half = torch.as_tensor(weights / 2, dtype=torch.float32, device=probe.linear.weight.device)
        probe.linear.weight.copy_(torch.stack([-half, half]))
        probe.linear.bias.copy_(torch.tensor([-bias / 2, bias / 2]))
    used = np.flatnonzero(weights)
    largest = used[np.argsort(-np.abs(weights[used]), kind="stable")[:10]]
    return {
        "units": len(used),
        "largest_weights": {str(unit): round(float(weights[unit]), 4) for unit in largest},
        "inverse_penalty": None if chosen is None else float(model.C),
    }


def _refuse_alike(values: np.ndarray, labels: np.ndarray, where: str) -> None:
    # What a penalty begins with is the difference of means, which may be nought where ranks differ, and the other way.
    means = np.abs(values[labels == 1].mean(axis=0) - values[labels == 0].mean(axis=0))
    if not (aucs(values, labels) != 0.5).any() or means.max() < SAME:
        raise InputError(
            f"{where}: no state differs between the classes of the training examples; expected some for a sparse probe"
        )


def _fits(values: np.ndarray, labels: np.ndarray) -> Callable[[int | None], Any]:
    """Return what makes a classifier of all units, fitted to these examples in one of the `WAYS`."""
    from sklearn.linear_model import LogisticRegression

    least = least_l1(values, labels)

    def fit(way: int | None) -> Any:
        if way is not None:
            return l1_classifier(way * least).fit(values, labels)
        best = int(np.abs(aucs(values, labels) - 0.5).argmax())
        found = LogisticRegression().fit(values[:, [best]], labels)
        weights = np.zeros((1, values.shape[1]))
        weights[0, best] = found.coef_[0, 0]
        found.coef_, found.n_features_in_ = weights, weights.shape[1]
        return found

    return fit


def _chosen_by_folds(values: np.ndarray, labels: np.ndarray, sequences: np.ndarray, where: str) -> int | None:
    """Return the way with the smallest loss on examples that it was not fitted on, all folds together."""
    from sklearn.metrics import log_loss
    from sklearn.model_selection import StratifiedGroupKFold

    fewest = min(len(np.unique(sequences[labels == label])) for label in (0, 1))
    if fewest < 2:
        raise InputError(
            f"{where}: found {fewest} training sequence of one class, expected at least 2 of each for a sparse probe "
            "that folds of the training examples choose (keep: last)"
        )
    folds = StratifiedGroupKFold(min(FOLDS, fewest), shuffle=True, random_state=0)
    told = np.empty((len(WAYS), len(labels)))
    for fitted_on, left_out in folds.split(values, labels, sequences):
        _refuse_alike(values[fitted_on], labels[fitted_on], where)
        fit = _fits(values[fitted_on], labels[fitted_on])
        for place, way in enumerate(WAYS):
            told[place, left_out] = fit(way).predict_proba(values[left_out])[:, 1]
    return WAYS[int(np.argmin([log_loss(labels, one) for one in told]))]


def _standardised(probe: Probe, features: Features) -> np.ndarray:
    return ((features.values - probe.mean) / probe.sd).double().cpu().numpy()
