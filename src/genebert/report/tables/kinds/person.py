"""Tables of people with and without a disease."""

from typing import Any

import pandas as pd

from genebert.report.tables.kinds.base import Count, Figure, Metric, Score, Scores, Shown, available, value_at
from genebert.report.tables.kinds.two_class import TWO_CLASS, threshold_notes
from genebert.report.text import NOTHING, count

SIMULATED = "simulated"  # in the remark of a row whose people, or whose status, are


def _cohort(score: Score) -> dict[str, Any]:
    """Return what a score file repeats of the people of its data set: counts."""
    return value_at(score, ("data_set", "cohort")) or {}


def number(frequency: float | None) -> str:
    """Return a frequency with two decimals."""
    return NOTHING if frequency is None else f"{frequency:.2f}"


def _remarks(had: list[Score]) -> list[str]:
    return [SIMULATED] if _cohort(had[0]).get("simulated") else []


def _cohort_notes(scores: Scores) -> list[str]:
    """Return whom each data set holds, what is read of them, and the listed SNPs' frequencies."""
    texts: dict[str, str] = {}
    for (dataset, _), group in scores.items():
        for one in filter(None, map(_cohort, available(group))):
            snps = "; ".join(
                f"{name} {number(found['cases'])} in cases, {number(found['controls'])} in controls"
                for name, found in one["snps_found"].items()
            )
            regions = f"{one['windows']:,} region{'s' * (one['windows'] != 1)}, {one['bases']:,} bases"
            texts[dataset] = (
                f"{dataset}{' (simulated)' * one['simulated']}: {one['cases']:,} cases, {one['controls']:,} controls, "
                f"{one['sites']:,} variants in {regions}" + (f"; frequency of the alternative {snps}" if snps else "")
            )
    return [f"{text}." for text in texts.values()]


def _notes(_values: pd.DataFrame, scores: Scores) -> list[str]:
    groups = [group for group in map(available, scores.values()) if group]
    simulated = any(_cohort(group[0]).get("simulated") for group in groups)
    told = "People, or their status, are simulated: what a method finds in such data says nothing about patients."
    return [
        "Every person is tested once, by a fit on other folds; relatives are in one fold. AUC: mean over folds, its "
        "interval from people drawn again within them. P and R are macro averages over both classes at threshold 0.5.",
        "The paper's P 0.77 beside R 0.52 and AUC 0.56 is what a nearly constant classifier gives: of 184 tested "
        "people with 87 cases, 3 called cases, all rightly, make P 0.768 and R 0.517 (docs/facts.md 9).",
        *([told] if simulated else []),
        *_cohort_notes(scores),
    ]


def _further_notes(values: pd.DataFrame) -> list[str]:
    return [
        "Permutation p: how often the AUC is as high when status is permuted within folds (1,000 times, the scores as "
        "they are). It takes the fits as given, as the interval does: where nothing is to be found it is 0.05 or less "
        "about one time in ten (docs/disease.md).",
        *threshold_notes(values),
    ]


PERSON = Shown(
    metrics={"fold_auc" if name == "auc" else name: metric for name, metric in TWO_CLASS.metrics.items()},
    interval=("metrics", "roc_auc_interval"),
    drawn="people of each fold",
    further={"permutation_p": Metric(("metrics", "permutation_p"), "Permutation p"), **TWO_CLASS.further},
    counts={
        "n_folds": Count(("metrics", "n_folds"), "Folds", "folds"),
        "n_cases": Count(("data_set", "cohort", "cases"), "Cases", "cases"),
        "n_controls": Count(("data_set", "cohort", "controls"), "Controls", "controls"),
    },
    figures={"seconds": Figure(("seconds",), "Seconds", count)},
    collapsed=("metrics", "collapsed"),
    remarks=_remarks,
    notes=_notes,
    further_notes=_further_notes,
)
