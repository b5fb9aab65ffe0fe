"""Tables of splice sites among all bases of genes."""

from typing import Any

import pandas as pd

from genebert.evaluation.site_labels import SITES
from genebert.report.tables.kinds.base import (
    IN_TRAINING,
    Count,
    Figure,
    Metric,
    Score,
    Scores,
    Shown,
    available,
    value_at,
)
from genebert.report.text import count, percent
from genebert.sources.splice_table import PUBLISHED_CANONICAL, TEST_CHROMOSOMES

OWN = "own"  # context of a model that reads as many bases as it was pre-trained on


def _context(had: list[Score]) -> str:
    """Return the bases beside a base that its classes depend on; those of a window where a model has its own length."""
    settings = had[0].get("settings", {}) if had else {}
    if settings.get("context") is not None:
        return str(settings["context"])
    if not had:
        return ""
    return f"{OWN} ({settings['window_bp']} bases)" if settings.get("window_bp") else OWN


def _genes(score: Score) -> dict[str, Any]:
    """Return what a score file repeats of the genes of its data set."""
    return value_at(score, ("data_set", "genes")) or {}


def _remarks(had: list[Score]) -> list[str]:
    """Return that a model which was trained elsewhere has seen the genes that it is tested on."""
    held_out = value_at(had[0], ("method", "held_out"))
    if held_out is None:
        return []
    tested = _genes(had[0]).get("test_chromosomes")
    if tested is None:
        return [f"which of these genes were {IN_TRAINING} is not known"]
    unseen = set(tested) & set(held_out)
    if unseen == set(tested):
        return []
    return [f"{'some of ' * bool(unseen)}these genes were {IN_TRAINING}"]


def _prevalence_notes(scores: Scores) -> list[str]:
    """Return what a random classifier would reach: the share of bases that are sites."""
    texts: dict[str, list[str]] = {}
    for (dataset, _), group in scores.items():
        for score in available(group)[:1]:
            n = value_at(score, ("metrics", "n_positions"))
            found = {site: value_at(score, ("metrics", site, "n")) for site in SITES}
            if n is None or None in found.values():
                continue
            shares = " and ".join(f"{number / n:.2g} ({number:,} {site}s)" for site, number in found.items())
            names = texts.setdefault(f"{shares} in {n:,} bases", [])
            names += [] if dataset in names else [dataset]
    if not texts:
        return []
    shares = "; ".join(f"{', '.join(names)}: {text}" for text, names in texts.items())
    return [f"A random classifier's PR-AUC is the share of sites, its top-k accuracy too. {shares}."]


def _gene_notes(scores: Scores) -> list[str]:
    """Return how much of what SpliceAI was trained on and tested with a data set has."""
    published = {split: PUBLISHED_CANONICAL[split]["genes"] for split in ("train", "test")}
    texts: dict[str, str] = {}
    for (dataset, _), group in scores.items():
        for genes in filter(None, map(_genes, available(group))):
            of_table, of_published = (
                percent(genes["train"] / whole) for whole in (genes["in_table"], published["train"])
            )
            texts[dataset] = (
                f"{dataset}: {genes['train']:,} genes in training ({of_table} of the {genes['in_table']:,} in its "
                f"table, {of_published} of SpliceAI's {published['train']:,}), {genes['valid']:,} for validation, "
                f"{genes['test']:,} tested on {', '.join(genes['test_chromosomes'])} (SpliceAI: "
                f"{published['test']:,} on {', '.join(TEST_CHROMOSOMES)})"
            )
    return [f"{'; '.join(texts.values())}."] if texts else []


def _notes(_values: pd.DataFrame, scores: Scores) -> list[str]:
    return [
        "Top-k: of the k highest scores, k being the number of sites, the share that are sites. PR-AUC: average "
        "precision. Both are means of acceptors and donors, over all bases of the tested genes.",
        "Context: bases that are seen beside a base, half of them on either side; fine-tuned models see up to half as "
        "many more, or 15, as a base lies in its window. own: windows of the encoder's own length.",
        *_prevalence_notes(scores),
        *_gene_notes(scores),
    ]


def _further_notes(values: pd.DataFrame) -> list[str]:
    notes = [
        "Top-k at 0.5 k, 2 k and 4 k: of so many highest scores those that are sites, divided by how many could be. "
        "Blocks with sites: only the blocks of a gene that have one. Seconds: median over seeds, fit and scoring."
    ]
    if "negatives" in values:
        notes.append(
            "Negatives seen: share of the bases without a site that the fit used. Where not all, scores are corrected "
            "to the share of sites among all bases; every base of the tested genes is evaluated in any case."
        )
    return notes


BASE_CLASSES = Shown(
    metrics={
        "top_k": Metric(("metrics", "top_k"), "Top-k"),
        "pr_auc": Metric(("metrics", "auprc"), "PR-AUC"),
    },
    interval=("metrics", "auprc_interval"),
    drawn="tested genes",
    further={
        "top_half_k": Metric(("metrics", "top_half_k"), "0.5 k", "Top-k at"),
        "top_2k": Metric(("metrics", "top_2k"), "2 k", "Top-k at"),
        "top_4k": Metric(("metrics", "top_4k"), "4 k", "Top-k at"),
        **{
            f"{site}_{name}": Metric(("metrics", site, key), heading, f"{site.capitalize()}s")
            for site in SITES
            for name, key, heading in (("top_k", "top_k", "Top-k"), ("pr_auc", "auprc", "PR-AUC"))
        },
        "blocks_with_sites_pr_auc": Metric(("metrics", "blocks_with_sites", "auprc"), "PR-AUC", "Blocks with sites"),
    },
    counts={
        "n_genes": Count(("metrics", "n_genes"), "Genes", "tested genes"),
        "n_sites": Count(("metrics", "n_sites"), "Sites", "sites"),
        "n_positions": Count(("metrics", "n_positions"), "Positions", "positions"),
    },
    figures={
        "negatives": Figure(("negatives",), "Negatives seen", lambda value: percent(value, 2)),
        "seconds": Figure(("seconds",), "Seconds", count),
    },
    labels={"context": _context},
    remarks=_remarks,
    notes=_notes,
    further_notes=_further_notes,
)
