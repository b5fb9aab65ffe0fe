"""Tables of two classes of sequences."""

import pandas as pd

from genebert.report.tables.ablations import parameters, samples_seen
from genebert.report.tables.kinds.base import Count, Figure, Metric, Scores, Shown
from genebert.report.text import count

AT_VALIDATION = "At the validation threshold"


def _constant_notes(values: pd.DataFrame, _scores: Scores) -> list[str]:
    """Return what a constant prediction would score on each test set (docs/facts.md 19)."""
    shares: dict[str, list[str]] = {}
    tested = values.dropna(subset=["n_test_positive"]) if "n_test_positive" in values else values[:0]
    for _, row in tested.drop_duplicates("dataset").iterrows():
        positives = row["n_test_positive"] / row["n_test"]
        shares.setdefault(f"{max(positives, 1 - positives) / 2:.3f}", []).append(row["dataset"])
    shares.pop("0.250", None)
    uneven = "; ".join(f"{precision} / 0.500 on {', '.join(names)}" for precision, names in shares.items())
    return [
        "P and R are macro averages over both classes at threshold 0.5. A constant classifier gives 0.250 / 0.500 on "
        "balanced data" + (f" ({uneven})" if uneven else "") + ", and so does every model whose scores all lie on one "
        "side of 0.5, at a high AUC too; collapsed counts the seeds where they do."
    ]


def threshold_notes(values: pd.DataFrame) -> list[str]:
    """Return what the validation threshold is, where values have metrics at it."""
    if "precision_at_validation_threshold_mean" not in values:
        return []
    return [
        "Validation threshold: the one with the largest MCC on the validation examples, chosen for each seed; a "
        "model that ranks well but whose scores lie on one side of 0.5 has its true precision and recall here."
    ]


TWO_CLASS = Shown(
    metrics={
        "precision": Metric(("metrics", "precision"), "P"),
        "recall": Metric(("metrics", "recall"), "R"),
        "auc": Metric(("metrics", "roc_auc"), "AUC"),
    },
    interval=("metrics", "roc_auc_interval"),
    drawn="test examples",
    further={
        "auprc": Metric(("metrics", "auprc"), "AUPRC"),
        "mcc": Metric(("metrics", "mcc"), "MCC", "At 0.5"),
        "accuracy": Metric(("metrics", "accuracy"), "Accuracy", "At 0.5"),
        "precision_at_validation_threshold": Metric(
            ("metrics_at_validation_threshold", "precision"), "P", AT_VALIDATION
        ),
        "recall_at_validation_threshold": Metric(("metrics_at_validation_threshold", "recall"), "R", AT_VALIDATION),
    },
    counts={
        "n_train": Count(("n_train",), "n train", "training examples"),
        "n_test": Count(("metrics", "n"), "n test", "test examples", always=True),
        "n_test_positive": Count(("metrics", "n_positive"), "Positive", "positive test examples", always=True),
    },
    figures={"seconds": Figure(("seconds",), "", count)},
    collapsed=("metrics", "collapsed"),
    labels={"samples_seen": samples_seen, "parameters": parameters},
    notes=_constant_notes,
    further_notes=threshold_notes,
)
