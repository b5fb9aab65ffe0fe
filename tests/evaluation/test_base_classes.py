"""Classes of bases: labels, states of bases, loss, metrics over genes, and what is kept of the predictions."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from genebert.errors import InputError
from genebert.evaluation.examples import Examples
from genebert.evaluation.kinds.base import Scored
from genebert.evaluation.kinds.base_classes import BaseClasses
from genebert.evaluation.kinds.registry import kind_of
from genebert.evaluation.scores import Outcome, write_score, write_unavailable
from genebert.evaluation.site_ranks import METRICS

KIND = kind_of({"kind": "base-classes"}, "card.json")


def blocks(n_genes: int = 12, per_gene: int = 2, length: int = 60, seed: int = 0) -> Examples:
    """Blocks of genes, "+" and "-" in turn; the last of each gene is padded, and some have no site."""
    rng = np.random.default_rng(seed)
    n = n_genes * per_gene
    labels = rng.choice([0, 1, 2], p=[0.96, 0.02, 0.02], size=(n, length)).astype(np.int8)
    labels[0, :2] = 1, 2
    labels[3] = 0
    labels[per_gene - 1 :: per_gene, -10:] = -1
    gene = np.repeat(np.arange(n_genes), per_gene)
    start = 1000 * gene + np.tile(np.arange(per_gene), n_genes) * length
    table = pd.DataFrame(
        {
            "chrom": "chr1", "start": start, "end": start + length, "strand": np.where(gene % 2, "-", "+"),
            "gene": [f"G{number}" for number in gene], "inside_start": 1000 * gene, "inside_end": 1000 * gene + 110,
            "label": list(labels),
        }
    )  # fmt: skip
    return Examples(table, "test")


def random_scores(examples: Examples, seed: int = 1, good: float = 0.0, kind: str = "float64") -> np.ndarray:
    logits = np.random.default_rng(seed).normal(size=(*examples.labels.shape, 3))
    logits += good * (examples.labels[..., None] == np.arange(3))
    scores = np.exp(logits)
    return (scores / scores.sum(-1, keepdims=True)).astype(kind)


def perfect(examples: Examples) -> np.ndarray:
    return (examples.labels[..., None] == np.arange(3)).astype(float)


# ------------------------------------------------------------------------------------------------------ labels


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (np.array([0, 1]), "x: found one label a row, expected a list of whole numbers, one for every base"),
        (np.array([[0.0, 1.0]]), "x: found one label a row"),
        (np.array([[0, 1, 2, 3]]), r"x: label 3 found; expected 0 \(none\), 1 \(acceptor\), 2 \(donor\) and -1 only"),
        (np.array([[0, 1, 2, -2]]), "x: label -2 found"),
        (np.array([[0, 1, -1]]), r"x: holds no donor \(label 2\); expected some of both kinds of sites"),
        (np.array([[0, 2, -1]]), r"x: holds no acceptor \(label 1\)"),
    ],
)
def test_bad_labels(labels, sentence):
    with pytest.raises(InputError, match=sentence):
        KIND.check(labels, "x")


def test_good_labels():
    KIND.check(np.array([[0, 1, 2, -1]], dtype=np.int8), "x")
    assert KIND.about == {"kind": "base-classes"} and isinstance(KIND, BaseClasses)
    assert KIND.strata(np.array([[0, -1], [0, 2], [1, 0]])).tolist() == [False, True, True]


# ------------------------------------------------------------------------------------------------------ networks


@given(k=st.integers(1, 6), lengths=st.lists(st.integers(6, 20), min_size=1, max_size=4), masked=st.booleans())
def test_a_base_is_the_mean_of_the_kmers_over_it(k, lengths, masked):
    lengths = lengths if masked else [lengths[0]] * len(lengths)
    tokens = max(lengths) - k + 1 + 2
    torch.manual_seed(0)
    states = torch.randn(len(lengths), tokens, 5)
    mask = torch.tensor([[int(at < n - k + 3) for at in range(tokens)] for n in lengths])
    found = KIND.states(states, mask if masked else None, "mean", k)
    assert found.shape == (len(lengths), max(lengths), 5) and found.dtype == torch.float32
    for row, n in enumerate(lengths):
        kmers = states[row, 1 : n - k + 2]
        for base in range(n):
            over = kmers[max(0, base - k + 1) : base + 1]
            assert torch.allclose(found[row, base], over.mean(0), atol=1e-5)
        assert (found[row, n:] == 0).all()


def test_loss_over_evaluated_bases():
    outputs = torch.randn(2, 4, 3, requires_grad=True)
    labels = torch.tensor([[0, 2, -1, -1], [1, 0, 0, -1]], dtype=torch.int8)
    chances = outputs.log_softmax(-1)
    expected = [-chances[i, j, labels[i, j]] for i in range(2) for j in range(4) if labels[i, j] >= 0]
    assert torch.allclose(KIND.loss(outputs, labels), sum(expected) / 5)
    nothing = KIND.loss(outputs, torch.full((2, 4), -1, dtype=torch.int8))
    nothing.backward()
    assert nothing.item() == 0 and (outputs.grad == 0).all()
    scores = KIND.scores(outputs.detach().double())
    assert scores.dtype == torch.float64 and torch.allclose(scores.sum(-1), torch.ones(2, 4, dtype=torch.float64))


# ------------------------------------------------------------------------------------------------------ metrics


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_metrics(kind):
    examples = blocks()
    scores, labels = random_scores(examples, good=2.0, kind=kind), examples.labels
    found = KIND.metrics(Scored(examples, scores))
    evaluated = labels >= 0
    assert (found["n"], found["n_genes"], found["n_positions"]) == (24, 12, evaluated.sum())
    for name, label in (("acceptor", 1), ("donor", 2)):
        true, given_scores = labels[evaluated] == label, scores[..., label][evaluated]
        assert found[name]["auprc"] == pytest.approx(average_precision_score(true, given_scores))
        k = true.sum()
        assert found[name]["top_k"] == pytest.approx(true[np.argsort(-given_scores)[:k]].mean())
        assert found[name]["n"] == k
    assert found["n_sites"] == (labels > 0).sum()
    for metric in METRICS:
        assert found[metric] == pytest.approx((found["acceptor"][metric] + found["donor"][metric]) / 2)
        for one in (found, found["acceptor"], found["donor"]):
            low, high = one[f"{metric}_interval"]
            assert low <= one[metric] <= high
    assert found["auprc"] == pytest.approx(KIND.select(examples, scores))
    some = (labels > 0).any(1)
    assert 0 < some.sum() < 24
    part = KIND.metrics(Scored(examples.subset(some), scores[some]))
    for metric in METRICS:
        assert found["blocks_with_sites"][metric] == pytest.approx(part[metric])
    assert found["blocks_with_sites"]["n"] == some.sum() and found["n_positions"] > part["n_positions"]
    assert KIND.metrics(Scored(examples, scores)) == found


def test_a_perfect_and_a_constant_predictor():
    examples = blocks()
    found = KIND.metrics(Scored(examples, perfect(examples)))
    assert all(found[metric] == 1.0 and found[f"{metric}_interval"] == [1.0, 1.0] for metric in METRICS)
    labels = examples.labels
    constant = KIND.metrics(Scored(examples, np.full((*labels.shape, 3), 1 / 3)))
    for name, label in (("acceptor", 1), ("donor", 2)):
        density = (labels == label).sum() / (labels >= 0).sum()
        assert constant[name]["top_k"] == pytest.approx(density) == constant[name]["auprc"]


def test_reports_and_files(tmp_path):
    examples = blocks()
    tested = Scored(examples, random_scores(examples, good=1.0))
    outcome = Outcome({"task": "splicing", "dataset": "x", "model": "m"}, 0, KIND, tested, tested, False, {}, 1.0)
    score = write_score(tmp_path / "seed0.json", outcome)
    assert score["validation"]["auprc"] == pytest.approx(score["metrics"]["auprc"])
    assert "auprc_interval" in score["metrics"] and "auprc_interval" not in score["validation"]
    kept = pd.read_parquet(tmp_path / "seed0.parquet")
    write_unavailable(tmp_path / "none.json", {}, 0, "why", KIND)
    none = pd.read_parquet(tmp_path / "none.parquet")
    assert list(none) == list(kept) and len(none) == 0
    for name, kind in KIND.columns.items():
        assert str(kept[name].dtype) == kind or kind == "str", name


def test_predictions_are_all_sites_and_the_highest_scores():
    examples = blocks()
    scores, labels = random_scores(examples, good=1.0), examples.labels
    kept = KIND.predictions(Scored(examples, scores))
    assert (kept["label"] > 0).sum() == (labels > 0).sum() and (kept["label"] >= 0).all()
    # Top-k accuracy follows from them alone.
    metrics = KIND.metrics(Scored(examples, scores))
    for name, label in (("acceptor", 1), ("donor", 2)):
        true = (kept["label"] == label).to_numpy()
        for metric, factor in {"top_k": 1, "top_4k": 4}.items():
            taken = np.argsort(-kept[name].to_numpy(), kind="stable")[: factor * true.sum()]
            assert true[taken].sum() / true.sum() == pytest.approx(metrics[name][metric])
    for one in kept.sample(20, random_state=0).itertuples():
        table = examples.table
        (row,) = np.flatnonzero(
            (table["gene"] == one.gene) & (table["start"] <= one.position) & (table["end"] > one.position)
        )
        base = one.position - table["start"][row] if one.strand == "+" else table["end"][row] - 1 - one.position
        assert labels[row, base] == one.label and scores[row, base, 1] == pytest.approx(one.acceptor)
    assert len(kept) <= 5 * (labels > 0).sum()


def test_scores_and_tables_that_do_not_fit():
    examples = blocks()
    scores = random_scores(examples)
    with pytest.raises(InputError, match=r"test: found scores of the shape \(24, 60\), expected \(24, 60, 3\)"):
        KIND.metrics(Scored(examples, scores[..., 0]))
    wrong = scores.copy()
    wrong[3, 4, 1] = math.nan
    with pytest.raises(InputError, match=r"test: 1 of 4320 scores are not finite, expected numbers"):
        KIND.metrics(Scored(examples, wrong))
    bare = Examples(examples.table.drop(columns="gene"), "test")
    with pytest.raises(InputError, match="test: has no column 'gene', expected it beside classes of bases"):
        KIND.metrics(Scored(bare, scores))
