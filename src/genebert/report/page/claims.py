"""What the paper claims, as comparisons of rows of its tables: which model is said to be better than which.

Numbers are those of ``config/paper/table{n}.tsv``; nothing about a run is known here. A claim is of differences, so
Table 6, which repeats rows of Table 2 and compares no models, makes none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd

from genebert.report.tables.paper import KEYS, labels_of, metrics_of

FAMILIES = ("T2T-ViT", "ViT", "DeiT", "Swin")  # of region encoders; the first that a name begins with
DNABERT, CNN, GENEBERT = "DNABERT", "dilated CNN", "GeneBERT"


@dataclass(frozen=True)
class Pair:
    """Two models on one data set: the paper says, or implies, that the first is better."""

    dataset: str
    ours: str  # names of our models
    other: str
    label: str  # what tells this comparison from the others of its claim
    paper_ours: float | None = None  # the paper's headline metric
    paper_other: float | None = None

    @property
    def gain(self) -> float | None:
        """What the paper reports as the difference, None where it does not report both."""
        return None if None in (self.paper_ours, self.paper_other) else self.paper_ours - self.paper_other


@dataclass(frozen=True)
class Claim:
    """One sentence of the paper and the comparisons that it stands on."""

    name: str  # short and unique
    table: int
    text: str
    pairs: tuple[Pair, ...]


def claims_of(papers: Mapping[int, pd.DataFrame]) -> list[Claim]:
    """Return the paper's claims in the order of its tables.

    Parameters
    ----------
    papers : dict
        Table number -> what :func:`genebert.report.tables.paper.read_paper` read. Claims on other tables are left out.
    """
    found = []
    for number, paper in sorted(papers.items()):
        for name, text, pairs in CLAIMS[number]:
            if made := tuple(pairs(paper)):
                found.append(Claim(name, number, text, made))
    return found


def _value(row: Mapping, paper: pd.DataFrame) -> float | None:
    value = row[metrics_of(paper)[-1]]
    return None if pd.isna(value) else float(value)


def _pair(paper: pd.DataFrame, ours: Mapping, other: Mapping, label: str) -> Pair:
    models = ours["our_model"], other["our_model"]
    return Pair(ours["dataset"], *models, label, _value(ours, paper), _value(other, paper))


def _beats(better: str, worse: str):
    """Compare two models by their names in the paper, wherever data set and further columns are the same."""

    def pairs(paper: pd.DataFrame) -> list[Pair]:
        same = ["dataset", *(name for name in labels_of(paper) if name not in KEYS)]
        found = []
        for place, rows in paper.groupby(same, sort=False):
            sides = [rows[rows["model"] == name].to_dict("records") for name in (better, worse)]
            if all(sides):
                label = ", ".join(map(str, [place[0].partition("/")[2], *(f"context {one}" for one in place[1:])]))
                found.append(_pair(paper, sides[0][0], sides[1][0], label))
        return found

    return pairs


def _beats_dnabert_on_splicing(paper: pd.DataFrame) -> list[Pair]:
    """Compare with DNABERT at each context; the paper's Table 4 has no row of it, so it has no number either."""
    return [
        Pair(row["dataset"], row["our_model"], row["our_model"].replace("genebert", "dnabert", 1),
             f"context {row['context']}", _value(row, paper))
        for row in paper[paper["model"] == GENEBERT].to_dict("records")
    ]  # fmt: skip


def _steps(rows: Sequence[Mapping], paper: pd.DataFrame) -> list[Pair]:
    """Compare each row with the one before it."""
    return [_pair(paper, after, before, f"{after['model']} over {before['model']}") for before, after in pairwise(rows)]


def _each_loss(paper: pd.DataFrame) -> list[Pair]:
    """Compare each row with the one before; of ours `mgm`, of equal steps, for the paper's DNABERT."""
    return _steps(paper.assign(our_model=paper["our_model"].replace("dnabert", "mgm")).to_dict("records"), paper)


def _larger_encoders(paper: pd.DataFrame) -> list[Pair]:
    family = paper["model"].map(lambda name: next((one for one in FAMILIES if name.startswith(one)), name))
    return [pair for _, rows in paper.groupby(family, sort=False) for pair in _steps(rows.to_dict("records"), paper)]


def _larger_batches(paper: pd.DataFrame) -> list[Pair]:
    return _steps(paper[paper["model"].str.startswith("batch")].to_dict("records"), paper)


def _best_lambda(paper: pd.DataFrame) -> list[Pair]:
    rows = paper[paper["model"].str.startswith("lambda")].dropna(subset=metrics_of(paper)[-1])
    if rows.empty:
        return []
    best, *others = rows.sort_values(metrics_of(paper)[-1], ascending=False, kind="stable").to_dict("records")
    return [_pair(paper, best, row, f"{best['model']} over {row['model']}") for row in others]


# Table -> name, sentence, and what makes its comparisons.
CLAIMS = {
    1: [("promoters", "Multi-modal pre-training beats DNABERT on promoters", _beats(GENEBERT, DNABERT))],
    2: [("binding", "Multi-modal pre-training beats DNABERT on TF binding sites", _beats(GENEBERT, DNABERT))],
    3: [("disease", "Multi-modal pre-training beats DNABERT on disease risk", _beats(GENEBERT, DNABERT))],
    4: [
        ("splicing-cnn", "Fine-tuned GeneBERT beats the dilated CNN on splice sites at each context",
         _beats(GENEBERT, CNN)),
        ("splicing-dnabert", "Multi-modal pre-training beats DNABERT on splice sites", _beats_dnabert_on_splicing),
    ],
    5: [("losses", "Each loss of pre-training adds to the one before", _each_loss)],
    6: [],
    7: [("encoders", "Larger region encoders, and larger images, help", _larger_encoders)],
    8: [
        ("batch", "Larger batches of pre-training help", _larger_batches),
        ("lambda", "A matching loss of the paper's best weight is better than one of any other", _best_lambda),
    ],
}  # fmt: skip
