"""One of three classes for every base: no splice site, an acceptor, a donor.

Rows are blocks of genes, see :mod:`genebert.tasks.splicing`. Metrics are those of SpliceAI (docs/facts.md 41).
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.evaluation.examples import Examples
from genebert.evaluation.kinds.base import Kind, Scored
from genebert.evaluation.site_labels import KIND, NOT_EVALUATED, SITES, positions
from genebert.evaluation.site_ranks import METRICS, TOP, Ranks, highest, interval, rank_sites, resampled, site_metrics

if TYPE_CHECKING:
    import torch

NEEDED = ("gene", "chrom", "start", "end", "strand")


def _gene_numbers(examples: Examples) -> np.ndarray:
    """Return the number of the gene of each row (int64 [n])."""
    for column in NEEDED:
        if column not in examples.table:
            raise InputError(f"{examples.name}: has no column {column!r}, expected it beside classes of bases")
    return pd.factorize(examples.table["gene"])[0]


def _checked(tested: Scored) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and scores, which are of the same bases."""
    labels, scores = tested.examples.labels, tested.scores
    expected = (*labels.shape, 1 + len(SITES))
    if scores.shape != expected:
        raise InputError(f"{tested.examples.name}: found scores of the shape {scores.shape}, expected {expected}")
    if wrong := sum(int((~np.isfinite(row)).sum()) for row in scores):
        raise InputError(f"{tested.examples.name}: {wrong} of {scores.size} scores are not finite, expected numbers")
    return labels, scores


def _ranks(labels: np.ndarray, scores: np.ndarray, genes: np.ndarray) -> dict[str, Ranks]:
    return {name: rank_sites(scores[..., label], labels, label, genes) for name, label in SITES.items()}


def _means(by_site: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the means of both kinds of sites."""
    return {metric: np.mean([found[metric] for found in by_site.values()], axis=0) for metric in METRICS}


class BaseClasses(Kind):
    """Scores are probabilities of none, acceptor and donor, float [n, length, 3]."""

    name = KIND
    one_strand = "a site belongs to one strand"
    outputs = 1 + len(SITES)
    output_words = "three logits of every base"
    selects = "AUPRC"
    columns = {  # noqa: RUF012
        "gene": "str", "chrom": "str", "position": "int64", "strand": "str", "label": "int8", "acceptor": "float32",
        "donor": "float32",
    }  # fmt: skip

    def check(self, labels: np.ndarray, where: str) -> None:
        """Expect a list of 0, 1, 2 and -1 for each row, and both kinds of sites among them."""
        if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer):
            raise InputError(f"{where}: found one label a row, expected a list of whole numbers, one for every base")
        low, high = labels.min(initial=0), labels.max(initial=0)
        if low < NOT_EVALUATED or high > max(SITES.values()):
            odd = low if low < NOT_EVALUATED else high
            raise InputError(f"{where}: label {odd} found; expected 0 (none), 1 (acceptor), 2 (donor) and -1 only")
        for name, label in SITES.items():
            if not (labels == label).any():
                raise InputError(f"{where}: holds no {name} (label {label}); expected some of both kinds of sites")

    def strata(self, labels: np.ndarray) -> np.ndarray:
        """Return whether a block has a site (bool [n])."""
        return (labels > 0).any(axis=1)

    def states(self, states: "torch.Tensor", mask: "torch.Tensor | None", pooling: str, k: int) -> "torch.Tensor":
        """Return the state of every base, float32 [n, bases, hidden]: the mean of the k-mers that cover it.

        Nothing is pooled over a sequence. A base that lies in padding alone has zeros.
        """
        from torch.nn import functional

        kmers = states[:, 1:-1].float()
        # A token is a k-mer if there is one more after it: the last one is [SEP].
        is_kmer = kmers.new_ones(kmers.shape[:2]) if mask is None else mask[:, 2:].to(kmers.dtype)
        both = functional.pad((kmers * is_kmer[..., None]).transpose(1, 2), (k - 1, k - 1))
        number = functional.pad(is_kmer[:, None], (k - 1, k - 1))
        total, number = (functional.avg_pool1d(one, k, stride=1) for one in (both, number))
        return (total / number.clamp(min=1 / (2 * k))).transpose(1, 2)

    def loss(self, outputs: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
        """Return the mean cross entropy of logits [n, length, 3] over evaluated bases; 0 where there is none."""
        from torch.nn import functional

        target = labels.reshape(-1).long()
        total = functional.cross_entropy(
            outputs.reshape(-1, self.outputs), target, ignore_index=NOT_EVALUATED, reduction="sum"
        )
        return total / (target != NOT_EVALUATED).sum().clamp(min=1)

    def scores(self, outputs: "torch.Tensor") -> "torch.Tensor":
        """Return the probabilities of the classes [n, length, 3] of logits."""
        return outputs.softmax(-1)

    def select(self, examples: Examples, scores: np.ndarray) -> float:
        """Return the mean average precision of acceptors and donors."""
        labels, scores = _checked(Scored(examples, scores))
        one_gene = np.zeros(len(labels), dtype=np.int64)
        found = [site_metrics(ranks)["auprc"] for ranks in _ranks(labels, scores, one_gene).values()]
        return float(np.mean(found))

    def metrics(self, tested: Scored) -> dict[str, Any]:
        """Return counts, the means of both kinds of sites, and each by itself, with 95 % intervals over genes.

        Returns
        -------
        dict
            ``n`` (blocks), ``n_genes``, ``n_positions`` and ``n_sites``; the metrics of
            :func:`~genebert.evaluation.site_ranks.site_metrics`, over all evaluated positions (SpliceAI's blocks of
            expressed genes), and ``top_k_interval`` and so on; the same below ``acceptor`` and ``donor``; and without
            intervals below ``blocks_with_sites``, where only blocks with a site count.
        """
        labels, scores = _checked(tested)
        genes = _gene_numbers(tested.examples)
        ranks = _ranks(labels, scores, genes)
        by_site = {name: {"n": int(one.true.sum())} | site_metrics(one) for name, one in ranks.items()}
        means = {name: float(value) for name, value in _means(by_site).items()}
        n_genes = int(genes.max()) + 1
        if n_genes > 1:  # genes drawn again from one are that one
            drawn = dict(zip(ranks, resampled(list(ranks.values())), strict=True))
            for found, values in [(means, _means(drawn)), *((by_site[name], drawn[name]) for name in by_site)]:
                found |= {f"{metric}_interval": interval(values[metric]) for metric in METRICS}
        return {
            "n": len(labels),
            "n_genes": n_genes,
            "n_positions": int((labels != NOT_EVALUATED).sum()),
            "n_sites": sum(found["n"] for found in by_site.values()),
            **means,
            **by_site,
            "blocks_with_sites": self._plain(labels, scores, genes, self.strata(labels)),
        }

    def _plain(self, labels: np.ndarray, scores: np.ndarray, genes: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
        """Return the metrics of some blocks (bool [n]), without intervals."""
        # Labels of the others are set aside instead of copying the scores of these.
        labels = np.where(rows[:, None], labels, np.int8(NOT_EVALUATED))
        ranks = _ranks(labels, scores, np.zeros_like(genes))
        by_site = {name: site_metrics(one) for name, one in ranks.items()}
        means = {name: float(value) for name, value in _means(by_site).items()}
        return {"n": int(rows.sum()), "n_positions": int((labels != NOT_EVALUATED).sum()), **means, **by_site}

    def report(self, valid: Scored, test: Scored) -> dict[str, Any]:
        """Return the metrics of both; those of `valid` without intervals."""
        labels, scores = _checked(valid)
        found = self._plain(labels, scores, _gene_numbers(valid.examples), np.ones(len(labels), dtype=bool))
        return {"metrics": self.metrics(test), "validation": found}

    def predictions(self, tested: Scored) -> pd.DataFrame:
        """Return all sites, and of either class the 4 k highest scores, k being the number of its sites.

        All positions would be hundreds of megabytes for every seed; the top-k accuracies follow from these alone.
        `position` is 0-based on the "+" strand.
        """
        labels, scores = _checked(tested)
        table, length = tested.examples.table, labels.shape[1]
        kept = [np.flatnonzero(labels > 0)]
        for label in SITES.values():
            number = int(max(TOP.values()) * (labels == label).sum())
            kept.append(highest(scores[..., label], labels, number))
        row, base = np.divmod(np.unique(np.concatenate(kept)), length)
        here = table[list(NEEDED)].iloc[row].reset_index(drop=True)
        found = here[["gene", "chrom", "strand"]].assign(position=positions(here, base), label=labels[row, base])
        for name, label in SITES.items():
            found[name] = scores[row, base, label]
        return found[list(self.columns)].astype(self.columns)
