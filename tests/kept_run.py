"""The kept run of chr20 (docs/chr20/) in the pages: `python tests/kept_run.py` writes their tables anew from its files.

A table stands between `<!-- chr20: NAME -->` and `<!-- end -->`; NAME is one of `MAKERS`.
"""

import json
import re
from collections.abc import Callable

import kept_beside as beside
import kept_differences as differences
import pandas as pd
from kept_format import (
    CELLS,
    KEPT,
    ROOT,
    aucs,
    bold,
    cells_columns,
    lowest_to_highest,
    markdown,
    mean_sd,
    ours,
    over_fits,
    read,
    seeds,
)

from genebert.report.page.summary import ends, signed
from genebert.report.tables.blocks import number, with_sd
from genebert.report.tables.paper import read_paper
from genebert.report.text import NOTHING

BLOCK = re.compile(r"(<!-- chr20: (\w+) -->\n)(.*?)(<!-- end -->)", flags=re.DOTALL)
PAGES = tuple(
    path.relative_to(ROOT).as_posix()
    for path in sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
    if BLOCK.search(path.read_text(encoding="utf-8"))
)


def _promoters(name: str) -> str:
    table = ours(name)
    columns = {
        "model": table["model"].tolist(),
        "P": [mean_sd(row, "precision") for _, row in table.iterrows()],
        "R": [mean_sd(row, "recall") for _, row in table.iterrows()],
        "AUC": bold([mean_sd(row, "auc") for _, row in table.iterrows()], table["auc_mean"]),
        "95 % interval": [f"{row.auc_low:.3f} to {row.auc_high:.3f}" for row in table.itertuples()],
        "seeds": seeds(table),
    }
    if table["auc_paper"].notna().any():
        columns["the paper's AUC"] = [number(value) for value in table["auc_paper"]]
    return markdown(columns)


def table1() -> str:
    """Table 1."""
    return _promoters("table1")


def table1_extended() -> str:
    """Table 1, extended."""
    return _promoters("table1_extended")


def table2() -> str:
    """Table 2."""
    return markdown(cells_columns("table2"))


def table3() -> str:
    """Table 3: mean over folds of the AUC."""
    table = ours("table3")
    table["set"] = table["dataset"].str.removeprefix("disease/")
    parts = []
    for name, own in table.groupby("set", sort=False):
        own = own.reset_index(drop=True)
        aucs = bold([mean_sd(row, "fold_auc") for _, row in own.iterrows()], own["fold_auc_mean"])
        parts.append(
            pd.DataFrame(
                {
                    "data set": name,
                    "model": own["model"],
                    "P": [mean_sd(row, "precision") for _, row in own.iterrows()],
                    "R": [mean_sd(row, "recall") for _, row in own.iterrows()],
                    "AUC": aucs,
                    "the paper's AUC": [number(value) for value in own["fold_auc_paper"]],
                }
            )
        )
    return markdown({name: cells.tolist() for name, cells in pd.concat(parts).items()}, left=2)


def table4() -> str:
    """Table 4."""
    table = ours("table4")
    return markdown(
        {
            "model": table["model"].tolist(),
            "bases seen beside a base": table["context"].astype(str).tolist(),
            "top-k": [mean_sd(row, "top_k") for _, row in table.iterrows()],
            "PR-AUC": bold([mean_sd(row, "pr_auc") for _, row in table.iterrows()], table["pr_auc_mean"]),
            "95 % over genes": [f"{row.pr_auc_low:.3f} to {row.pr_auc_high:.3f}" for row in table.itertuples()],
            "the paper's top-k / PR-AUC": [
                NOTHING if pd.isna(row.top_k_paper) else f"{row.top_k_paper:.2f} / {row.pr_auc_paper:.2f}"
                for row in table.itertuples()
            ],
            "seconds a seed": [f"{value:,.0f}" for value in table["seconds"]],
        }
    )


def _ablation(name: str, label: str | None = None) -> str:
    table = ours(name)
    columns = {"model": table["model"].tolist()}
    if label:
        columns[label.replace("_", " ")] = table[label].astype(str).tolist()
    columns |= {
        "AUC": bold([mean_sd(row, "auc") for _, row in table.iterrows()], table["auc_mean"]),
        "95 % interval": [f"{row.auc_low:.3f} to {row.auc_high:.3f}" for row in table.itertuples()],
        "the paper's AUC": [number(value) for value in table["auc_paper"]],
    }
    return markdown(columns, left=1)


def table5() -> str:
    """Table 5."""
    return _ablation("table5")


def table7() -> str:
    """Table 7."""
    return _ablation("table7", "parameters")


def table8() -> str:
    """Table 8."""
    return _ablation("table8", "samples_seen")


def transfer() -> str:
    """Table 6's matrix of one model: trained on (rows), tested on (columns)."""
    table = read("table6_transfer")
    table = table[table["model"] == "genebert-conv"]
    short = {f"tfbs/CTCF_{cell}": cell for cell in CELLS}
    matrix = table.replace(short).pivot(index="trained_on", columns="tested_on", values="auc_mean")
    matrix = matrix.loc[list(CELLS), list(CELLS)]
    columns = {"trained on": list(CELLS)}
    for cell in CELLS:
        columns[cell] = [f"**{value:.3f}**" if own == cell else f"{value:.3f}" for own, value in matrix[cell].items()]
    return markdown(columns)


def _curve(name: str, table: str, dataset: str) -> str:
    points = read(name)
    whole = ours(table)
    whole = whole[whole["dataset"] == dataset].set_index("model")
    models = list(dict.fromkeys(points["model"]))
    columns = {"model": sorted(models, key=[*whole.index, *models].index)}
    for size, own in points.groupby("n_train"):
        columns[f"{size:,}"] = aucs(over_fits(own, columns["model"]))
    columns[f"all {int(whole['n_train'].iloc[0]):,}"] = aucs(whole.reindex(columns["model"]))
    return markdown(columns)


def curve_promoters() -> str:
    """Learning curve of prom-core."""
    return _curve("learning_curve_prom-core", "table1", "promoter/prom-core")


def curve_ctcf() -> str:
    """Learning curve of CTCF in A549."""
    return _curve("learning_curve_CTCF_A549", "table2", "tfbs/CTCF_A549")


def motifs_genomic() -> str:
    """Promoters against the genome, few and all labels, in the run whose networks are twice as wide."""
    name = "prom-core-genomic"
    return _curve(f"motifs_learning_curve_{name}", "motifs_table1_extended", f"promoter/{name}")


def figure2() -> str:
    """Figure 2's numbers of the embeddings."""
    numbers = json.loads((KEPT / "figure2.json").read_text(encoding="utf-8"))
    rows = []
    for name, part in (("as pre-trained on", numbers["drawn"]), ("of regions of one type alone", numbers["specific"])):
        for measure in ("purity", "silhouette", "within_between"):
            one, other, difference = (
                part["embedding"][key][measure] for key in ("uni_modal", "multi_modal", "difference")
            )
            interval = f"{signed(difference['value'])} ({ends((difference['low'], difference['high']))})"
            chance = [f"{value['low']:.3f} to {value['high']:.3f}" for value in (one, other)]
            kmers = number(part["controls"]["kmers"]["value"]) if measure == "purity" else NOTHING
            rows.append(
                [name, measure, number(one["value"]), chance[0], number(other["value"]), chance[1], interval, kmers]
            )
    heads = ("samples", "measure", "uni-modal", "by chance", "multi-modal", "by chance ", "difference", "4-mers alone")
    return markdown(dict(zip(heads, map(list, zip(*rows, strict=True)), strict=True)), left=2)


def cell_accessibility(name: str = "cell_accessibility") -> str:
    """What is known of accessibility, and of its part that is specific to cell types."""
    table = read(name)
    table = table[table["kind"] == "mean"]
    (metric,) = table[table["target"] == "accessibility"]["metric"].unique()
    whole, specific = (table[table["target"] == name].set_index("known_by") for name in ("accessibility", "specific"))
    names = whole.index.tolist()
    specific = specific.reindex(names)
    return markdown(
        {
            "known by": names,
            metric: list(map(with_sd, whole["value"], whole["sd"])),
            "cell-specific part, Pearson": list(map(with_sd, specific["value"], specific["sd"])),
            "beyond composition": [differences.gained(row) for row in specific.itertuples()],
        }
    )


def toy_cells() -> str:
    """Return the same of the simulated atlas."""
    return cell_accessibility("../toy/cell_accessibility")


def bone_marrow() -> str:
    """Return the same of bone marrow."""
    return cell_accessibility("bone_marrow")


def _paper_auc(paper: pd.DataFrame, name: str | None) -> str:
    """Return the paper's AUC of a model, lowest to highest of several data sets."""
    return lowest_to_highest(paper.loc[paper["model"] == name, "auc"])


# Row of README.md: model of Table 1, of Table 2.
SUMMARY = {
    "GeneBERT": ("genebert-k3", "genebert"),
    "GeneBERT with filters over bases": ("genebert-conv", "genebert-conv"),
    "GeneBERT that predicts motif scores": ("genebert-conv-regression",) * 2,
    "the same, twice as wide": ("wide:genebert-conv-regression",) * 2,
    "DNABERT (ours: masked k-mers only)": ("dnabert-k3", "dnabert"),
    "the same with filters over bases": ("dnabert-conv", "dnabert-conv"),
    "the same with filters, twice as wide": ("wide:dnabert-conv",) * 2,
    "the network without pre-training": ("from-scratch-k3", "from-scratch"),
    "the same with filters over bases, without pre-training": ("from-scratch-conv", "from-scratch-conv"),
    "the same with filters, without pre-training, twice as wide": ("wide:from-scratch-conv",) * 2,
    "boosted trees on one-hot and k-mer counts": ("boosted-trees", "boosted-trees"),
    "boosted trees on these and JASPAR scores": ("motif-trees", "motif-trees"),
    "logistic regression on k-mer counts": ("kmer-logreg", "kmer-logreg"),
    "logistic regression on JASPAR scores": ("motif-l1", "motif-l1"),
    "a small convolutional network": ("cnn", "cnn"),
    "the factor's own JASPAR matrix": (None, "pwm"),
}


# Rows that the paper has, by its names.
PAPER = {"GeneBERT": "GeneBERT", "DNABERT (ours: masked k-mers only)": "DNABERT"}


def _with_wide(name: str) -> pd.DataFrame:
    """Return our rows of a table, and those of the run whose networks predict motifs as ``wide:MODEL``."""
    wide = ours(f"motifs_{name}")
    return pd.concat([ours(name), wide.assign(model="wide:" + wide["model"])])


def summary() -> str:
    """Ours beside the paper's, on chr20."""
    promoters = _with_wide("table1").set_index("model")
    sites = _with_wide("table2")
    papers = [read_paper(ROOT / f"config/paper/table{n}.tsv") for n in (1, 2)]
    paper = [[_paper_auc(table, PAPER.get(name)) for name in SUMMARY] for table in papers]
    columns: dict[str, list[str]] = {
        "model": list(SUMMARY),
        "Table 1, paper": paper[0],
        "Table 1, chr20": [mean_sd(promoters.loc[one], "auc") if one else NOTHING for one, _ in SUMMARY.values()],
        "Table 2, paper (nine sets)": paper[1],
        "Table 2, chr20: mean of five cells": [],
        "lowest to highest": [],
    }
    for _, model in SUMMARY.values():
        aucs = sites.loc[sites["model"] == model, "auc_mean"]
        columns["Table 2, chr20: mean of five cells"].append(number(aucs.mean()))
        columns["lowest to highest"].append(f"{aucs.min():.3f} to {aucs.max():.3f}")
    return markdown(columns)


MAKERS: dict[str, Callable[[], str]] = {
    make.__name__: make
    for make in (
        *(summary, table1, table1_extended, table2, table3, table4, table5, table7, table8, transfer),
        *(curve_promoters, curve_ctcf, motifs_genomic, figure2, cell_accessibility, toy_cells, bone_marrow),
        *beside.MAKERS,
        *differences.MAKERS,
    )
}


def written_anew(text: str) -> str:
    """Return a page with its tables made from the kept run."""
    return BLOCK.sub(lambda found: f"{found[1]}{MAKERS[found[2]]()}{found[4]}", text)


if __name__ == "__main__":
    for page in PAGES:
        path = ROOT / page
        path.write_text(written_anew(path.read_text(encoding="utf-8")), encoding="utf-8")
