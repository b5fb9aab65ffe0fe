"""Early stopping: which epoch is kept, when it ends, and what divergence says."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from genebert.errors import InputError
from genebert.evaluation.examples import Examples
from genebert.evaluation.kinds.two_class import TwoClass
from genebert.training.fit import Course, Diverged, fit

VALID = Examples(pd.DataFrame({"label": [0, 1] * 10}))
COURSE = Course(10, 2, "toy", 7, "a lower rate")


class Dictated:
    """A network with one weight, the number of the epoch, whose validation scores have given AUCs."""

    def __init__(self, aucs, losses=None):
        self.network, self.modes = torch.nn.Linear(1, 1), []
        self.aucs, self.losses = iter(aucs), iter(losses or [0.5] * len(aucs))

    def train(self, epoch: int) -> float:
        self.modes.append(self.network.training)
        self.network.eval()
        with torch.no_grad():
            self.network.weight.fill_(epoch)
        return next(self.losses)

    def score(self) -> np.ndarray:
        """Return scores with which a positive beats this share of the negatives."""
        scores = np.where(VALID.labels == 1, 0.0, 1.0)
        scores[np.flatnonzero(VALID.labels == 0)[: round(10 * next(self.aucs))]] = -1.0
        return scores

    def fit(self, course: Course = COURSE):
        history, best = fit(self.network, TwoClass({}), VALID, course, self.train, self.score)
        return history, best, self.network.weight.item()


def test_the_first_of_the_best_epochs_is_kept():
    dictated = Dictated([0.6, 0.8, 0.8, 0.7, 0.9])
    history, best, weight = dictated.fit()
    assert [epoch["valid_auc"] for epoch in history] == pytest.approx([0.6, 0.8, 0.8, 0.7])  # equal is not better
    assert [epoch["epoch"] for epoch in history] == [1, 2, 3, 4] and {epoch["train_loss"] for epoch in history} == {0.5}
    assert best == weight == 2
    assert dictated.modes == [True] * 4


def test_the_last_epoch_may_be_the_best():
    history, best, weight = Dictated([0.1, 0.2, 0.3]).fit(Course(3, 2, "toy", 7, ""))
    assert best == weight == len(history) == 3


def test_the_last_epoch_is_kept_where_it_is_asked_for_and_none_is_left_out():
    history, kept, weight = Dictated([0.9, 0.8, 0.7, 0.6]).fit(replace(COURSE, epochs=4, keep="last"))
    assert len(history) == 4 and kept == weight == 4  # with a patience of 2, the best would have ended it after 3
    _, kept, weight = Dictated([0.9, 0.6, 0.7]).fit(Course(2, 1, "toy", 7, "", begun=True, keep="last"))
    assert kept == weight == 2


def test_what_training_begins_with_counts_as_epoch_0_and_is_checked():
    begun = replace(COURSE, begun=True)
    history, best, _ = Dictated([0.9, 0.6, 0.7, 0.8]).fit(begun)
    assert [one["epoch"] for one in history] == [0, 1, 2] and history[0]["train_loss"] is None and best == 0
    dictated = Dictated([0.6])
    dictated.score = lambda: np.full(len(VALID.labels), np.nan)
    with pytest.raises(Diverged, match="toy: the probe with seed 7 gives 20 validation scores that are not finite"):
        dictated.fit(begun)
    assert not dictated.modes


@pytest.mark.parametrize("n", [0, 20])
def test_validation_that_cannot_choose_an_epoch_is_refused_before_the_first(n):
    valid, dictated = Examples(pd.DataFrame({"label": np.ones(n, int)})), Dictated([0.6])
    sentence = f"^toy: validation examples: {n} positives and 0 negatives; expected both classes$"
    with pytest.raises(InputError, match=sentence):
        fit(dictated.network, TwoClass({}), valid, COURSE, dictated.train, dictated.score)
    assert not dictated.modes


@pytest.mark.parametrize(
    ("loss", "share", "text"), [(np.nan, 0.5, "loss nan, 0 validation"), (0.5, np.nan, "loss 0.5, 20 validation")]
)
def test_divergence_says_where_and_what_helps(loss, share, text):
    dictated = Dictated([0.6, share], [0.5, loss])
    if np.isnan(share):
        dictated.score = lambda: np.full(20, share) if next(dictated.aucs) != 0.6 else np.linspace(0, 1, 20)
    with pytest.raises(Diverged, match=f"^toy: training diverged in epoch 2 with seed 7: {text} scores not finite; .*"):
        dictated.fit()
