"""Sequences of two classes: one label a sequence, 0 or 1."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from genebert.evaluation.examples import Examples
from genebert.evaluation.kinds.base import Kind, Scored
from genebert.evaluation.metrics import (
    check_predictions,
    classification_metrics,
    threshold_from_validation,
    threshold_metrics,
)

if TYPE_CHECKING:
    import torch


class TwoClass(Kind):
    """The score is the probability of class 1."""

    name = "two-class"
    outputs = 2
    output_words = "two logits"
    selects = "AUC"
    columns = {"label": "int8", "score": "float64"}  # noqa: RUF012

    def check(self, labels: np.ndarray, where: str) -> None:
        """Expect 0 and 1, and both of them."""
        check_predictions(labels, np.zeros(len(labels)), where)

    def states(self, states: "torch.Tensor", mask: "torch.Tensor | None", pooling: str, k: int) -> "torch.Tensor":
        """Return one state a sequence, float32 [n, hidden]."""
        from genebert.models.bert import pool

        return pool(states, mask, pooling)

    def loss(self, outputs: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
        """Return the cross entropy of logits [n, 2]."""
        from torch.nn import functional

        return functional.cross_entropy(outputs, labels.long())

    def scores(self, outputs: "torch.Tensor") -> "torch.Tensor":
        """Return the probability of class 1 [n] of logits [n, 2]."""
        return (outputs[:, 1] - outputs[:, 0]).sigmoid()

    def select(self, examples: Examples, scores: np.ndarray) -> float:
        """Return the area under the ROC curve."""
        from sklearn.metrics import roc_auc_score

        return float(roc_auc_score(examples.labels, scores))

    def metrics(self, tested: Scored) -> dict[str, Any]:
        """Return :meth:`measured` with an interval."""
        return self.measured(tested)

    def measured(self, tested: Scored, n_bootstrap: int = 1000) -> dict[str, Any]:
        """Return :func:`~genebert.evaluation.metrics.classification_metrics` at the threshold 0.5."""
        return classification_metrics(tested.examples.labels, tested.scores, n_bootstrap)

    def report(self, valid: Scored, test: Scored) -> dict[str, Any]:
        """Return the metrics at 0.5, those at the threshold that `valid` gives, and what `valid` itself scores."""
        threshold = threshold_from_validation(valid.examples.labels, valid.scores)
        validation = self.measured(valid, n_bootstrap=1)
        return {
            "metrics": self.metrics(test),
            "metrics_at_validation_threshold": threshold_metrics(test.examples.labels, test.scores, threshold),
            "validation": {name: validation[name] for name in ("roc_auc", "auprc", "n", "n_positive")},
        }

    def predictions(self, tested: Scored) -> pd.DataFrame:
        """Return label and score of each example."""
        return pd.DataFrame({"label": tested.examples.labels, "score": tested.scores}).astype(self.columns)
