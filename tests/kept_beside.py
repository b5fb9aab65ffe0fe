"""Tables of the runs beside the kept run: its configuration with another laid over it."""

import pandas as pd
from kept_differences import difference_of, with_ends
from kept_format import CELLS, aucs, cells_columns, lowest_to_highest, markdown, ours, over_fits, plain_aucs, read

from genebert.report.tables.blocks import number
from genebert.report.text import NOTHING


def checks() -> str:
    """Tables 1 and 2 of the checks."""
    return _sites_and_promoters("checks")


def narrow() -> str:
    """Return the same of narrow networks on the windows of the longer pre-training."""
    return _sites_and_promoters("narrow")


def _sites_and_promoters(run: str) -> str:
    columns = cells_columns(f"{run}_table2")
    seeds, models = columns.pop("seeds"), columns["model"]
    columns["promoters"] = aucs(ours(f"{run}_table1").set_index("model").reindex(models))
    return markdown({**columns, "seeds": seeds})


def sites_read() -> str:
    """AUC of the sites that pre-training has read, less that of the others."""
    return _sites_read("checks_table2")


def longer_sites_read() -> str:
    """The same of the longer pre-training."""
    return _sites_read("longer_table2")


def _sites_read(name: str) -> str:
    table = ours(name)
    table["cell"] = table["dataset"].str.removeprefix("tfbs/CTCF_")
    columns: dict[str, list[str]] = {"model": table["model"].drop_duplicates().tolist()}
    for cell, own in table.groupby("cell", sort=False):
        own = own.set_index("model").reindex(columns["model"])
        one = own.dropna(subset="n_read").iloc[0]
        columns[f"{cell} ({one['n_read']:.0f} + {one['n_others']:.0f})"] = [
            NOTHING if pd.isna(row.n_read) else with_ends(row.auc_read_difference, row.auc_read_low, row.auc_read_high)
            for row in own.itertuples()
        ]
    return markdown(columns)


def motifs() -> str:
    """Table 2 of the run whose networks predict motifs."""
    return markdown(cells_columns("motifs_table2"))


def motifs_few() -> str:
    """Few labels in the run whose networks predict motifs; promoters with all labels too."""
    parts = {
        "A549": read("motifs_learning_curve_CTCF_A549"),
        "K562": read("motifs_learning_curve_CTCF_K562"),
        "promoters": read("motifs_learning_curve_prom-core"),
    }
    models = list(dict.fromkeys(name for part in parts.values() for name in part["model"]))
    models.sort(key=[*ours("motifs_table2")["model"].unique(), *models].index)
    columns = {"model": models}
    for short, points in parts.items():
        for size, own in points.groupby("n_train"):
            columns[f"{short}, {size:,}"] = aucs(over_fits(own, models))
    columns["promoters, all"] = aucs(ours("motifs_table1").set_index("model").reindex(models))
    return markdown(columns)


def base() -> str:
    """Fits at the size of BERT-base, and the same rows of narrow networks, by the regions of their pre-training."""
    scores = read("base_scores")
    models = scores["model"].unique()
    columns: dict[str, list[str]] = {"model": [], "regions": [], **{cell: [] for cell in CELLS}, "mean": [], "fits": []}
    for model in models:
        for regions, narrow in (("middles", "motifs_table2"), ("all windows", "longer_table2")):
            own = scores[(scores["model"] == model) & (scores["regions"] == regions)].groupby("dataset")["auc"]
            large = own.agg(["mean", "std"]).set_axis(["auc_mean", "auc_sd"], axis=1)
            small = ours(narrow).query("model == @model").set_index("dataset")
            for size, rows in (("12 x 768", large), ("2 x 256", small)):
                rows = rows.reindex([f"tfbs/CTCF_{cell}" for cell in CELLS])
                columns["model"].append(model)
                columns["regions"].append(f"{regions}, {size}")
                for cell, text in zip(CELLS, plain_aucs(rows), strict=True):
                    columns[cell].append(text)
                columns["mean"].append(number(rows["auc_mean"].mean(skipna=False)))
                fits = own.size().max() if size == "12 x 768" else rows["n_seeds"].max()
                columns["fits"].append(f"{fits:.0f}")
    return markdown(columns, left=2)


def base_rates() -> str:
    """What validation said of rates at that size: of fine-tuning, the AUC in A549 and in K562."""
    rows = read("base_rates")
    models = ["from-scratch-conv", "dnabert-conv", "genebert-conv-regression"]
    table: dict[str, list[str]] = {"stage": [], "rate": [], **{model: [] for model in models}}
    for (stage, rate), own in rows.groupby(["stage", "learning_rate"], sort=False):
        values = own[own["validation"] != "scores_explained"].groupby("model")["value"].agg(list)
        table["stage"].append(stage)
        table["rate"].append(f"{rate:.0e}".replace("e-0", "e-"))
        for model in models:
            table[model].append(" / ".join(number(value) for value in values.get(model, [])) or NOTHING)
    return markdown(table, left=2)


AGAINST = {"shuffled": "shuffles", "only": "GM12878's"}  # how a set's name ends: what its negatives are


def across_cells() -> str:
    """Return Table 6, extended: peaks that one of two cells has."""
    table = read("across_cells")
    methods = list(dict.fromkeys(table["model"]))
    columns: dict[str, list[str]] = {"set": [], "against": [], "tested": [], **{name: [] for name in methods}}
    for dataset, own in table.groupby("dataset", sort=False):
        columns["set"].append(_of(dataset))
        columns["against"].append(_against(dataset))
        columns["tested"].append(
            f"{own['n_test_positive'].iloc[0]} + {(own['n_test'] - own['n_test_positive']).iloc[0]}"
        )
        for name, text in zip(methods, aucs(own.set_index("model").reindex(methods)), strict=True):
            columns[name].append(text)
    return markdown(columns, left=2)


def across_compare() -> str:
    """Return differences between rows of the same."""
    table = read("across_cells_compare")
    pairs = list(table[["row", "than"]].drop_duplicates().itertuples(index=False, name=None))
    columns: dict[str, list[str]] = {"set": [], "against": [], **{" less ".join(pair): [] for pair in pairs}}
    for dataset in read("across_cells")["dataset"].unique():
        columns["set"].append(_of(dataset))
        columns["against"].append(_against(dataset))
        own = table[table["dataset"] == dataset]
        for row, than in pairs:
            columns[f"{row} less {than}"].append(difference_of(own[(own["row"] == row) & (own["than"] == than)]))
    return markdown(columns, left=2)


def across_transfer() -> str:
    """Return the matrices of CTCF's peaks that a cell has and another has not: trained on one set, tested on others."""
    table = read("across_cells_transfer")
    names = table["trained_on"].unique()
    columns: dict[str, list[str]] = {"known by": [], "trained against": [], **{_own(name): [] for name in names}}
    for model in ("kmer-logreg", "motif-l1", "genebert", "genebert-conv-regression"):
        cells = table[table["model"] == model].set_index(["trained_on", "tested_on"])
        for trained in names:
            columns["known by"].append(model)
            columns["trained against"].append(_own(trained))
            for tested in names:
                auc = cells["auc_mean"].get((trained, tested))
                text = NOTHING if auc is None else number(auc)
                columns[_own(tested)].append(f"**{text}**" if tested == trained else text)
    return markdown(columns, left=2)


def _of(dataset: str) -> str:
    """Return the factor and the cell that has the peaks."""
    factor, cell, _ = dataset.removeprefix("tfbs/").split("_")
    return f"{factor}, {cell}"


def _own(dataset: str) -> str:
    """Return what the peaks of a set stand against; whose they are too where they are not K562's."""
    cell = dataset.split("_")[1]
    return _against(dataset) if cell == "K562" else f"{cell}: {_against(dataset)}"


def _against(dataset: str) -> str:
    end = dataset.rpartition("_")[2]
    return AGAINST.get(end, f"{end}'s")


def longer() -> str:
    """Return Table 2 of the longer pre-training, and the means of the shorter."""
    columns = cells_columns("longer_table2")
    seeds, shorter = columns.pop("seeds"), ours("motifs_table2").groupby("model")["auc_mean"].mean()
    trained = shorter[["dnabert-conv", "genebert-conv-regression"]]
    columns["mean, shorter"] = [number(value) for value in trained.reindex(columns["model"])]
    return markdown({**columns, "seeds": seeds})


LEARNT = {
    "masked k-mers: nats": ("mgm",),
    "told": ("mgm_accuracy",),
    "own row first of 160": ("srm_accuracy",),
    "of 4 of equal GC and CpG": ("srm_matched",),
    "scores explained by a linear map: median, CTCF's": ("linear_explained", "linear_explained_ctcf"),
    "by own predictions": ("srm_explained", "srm_explained_ctcf"),
}


def longer_validation() -> str:
    """What the pre-training has learnt at its end, in validation: lowest to highest of the pre-trainings."""
    table = read("longer_validation")
    columns: dict[str, list[str]] = {"network": [], "model": []}
    columns |= {heading: [] for heading in LEARNT}
    for (run, model), own in table.groupby(["run", "model"], sort=False):
        columns["network"].append("12 x 768" if run == "fetal-brain-base" else "2 x 256")
        columns["model"].append(model)
        for heading, names in LEARNT.items():
            columns[heading].append(
                ", ".join(lowest_to_highest(own[name]) for name in names if own[name].notna().all()) or NOTHING
            )
    return markdown(columns, left=2)


MAKERS = (
    *(checks, sites_read, motifs, motifs_few, base, base_rates),
    *(longer, longer_sites_read, longer_validation, narrow),
    *(across_cells, across_compare, across_transfer),
)
