"""Probes of frozen states that use few of them: what a handful of labelled examples can choose."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from genebert.errors import InputError
from genebert.methods.classifier import Features, Probe
from genebert.methods.scikit import PENALTIES, aucs, choose_penalty, l1_classifier, least_l1

SAME = 1e-9  # standard deviations: a difference of means by rounding alone


def fit_sparse(
    probe: Probe, train: Features, labels: np.ndarray, valid: Features, valid_labels: np.ndarray, where: str
) -> dict[str, Any]:
    """Put logistic regression on one unit, or on several with an L1 penalty, into a probe of two classes.

    The one unit is that whose AUC on the training examples is farthest from 0.5. Of it and of L1 penalties of several
    strengths, what has the smallest loss on the validation examples is kept: with tens of examples that is mostly the
    one unit, with thousands a penalty (docs/learning.md).

    Parameters
    ----------
    train, valid : Features
        Features [n, width], each with its label (0 or 1) in `labels` and `valid_labels`.
    where : str
        For messages.

    Returns
    -------
    dict
        For the record: ``units``, how many are used, ``largest_weights`` by unit, and ``inverse_penalty``, None for the
        one unit.

    Raises
    ------
    InputError
        Training or validation examples are of one class, or no unit differs between the classes of the training
        examples.
    """
    from sklearn.linear_model import LogisticRegression

    of_train, of_valid = (_standardised(probe, one) for one in (train, valid))
    for name, one in (("training", labels), ("validation", valid_labels)):
        if len(np.unique(one)) < 2:
            raise InputError(f"{where}: found {name} examples of one class, expected both for a sparse probe")
    apart = np.abs(aucs(of_train, labels) - 0.5)
    # What a penalty begins with is the difference of means, which may be nought where ranks differ, and the other way.
    means = np.abs(of_train[labels == 1].mean(axis=0) - of_train[labels == 0].mean(axis=0))
    if not apart.any() or means.max() < SAME:
        raise InputError(
            f"{where}: no state differs between the classes of the training examples; expected some for a sparse probe"
        )
    least = least_l1(of_train, labels)
    best = int(apart.argmax())

    def one_unit() -> LogisticRegression:
        found = LogisticRegression().fit(of_train[:, [best]], labels)
        weights = np.zeros((1, of_train.shape[1]))
        weights[0, best] = found.coef_[0, 0]
        found.coef_, found.n_features_in_ = weights, weights.shape[1]
        return found

    ways: dict[float | None, Callable[[], LogisticRegression]] = {None: one_unit}
    for penalty in PENALTIES:
        ways[penalty * least] = lambda c=penalty * least: l1_classifier(c).fit(of_train, labels)
    chosen, model = choose_penalty(ways, lambda name: ways[name](), of_valid, valid_labels)
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
        "inverse_penalty": None if chosen is None else float(chosen),
    }


def _standardised(probe: Probe, features: Features) -> np.ndarray:
    return ((features.values - probe.mean) / probe.sd).double().cpu().numpy()
