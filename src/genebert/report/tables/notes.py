"""The footnotes of a table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from genebert.report.tables.ablations import difference_notes
from genebert.report.tables.blocks import Heads
from genebert.report.tables.kinds.base import Scores, available
from genebert.report.tables.paper import ELSEWHERE
from genebert.report.tables.values import NOT_RUN, Rows, fits, folded, models_of
from genebert.report.text import ReportSettings

# What the paper's rows are, where their names do not say it.
NOTES_OF_TABLES = {
    5: "The paper's row MGM equals its DNABERT in Table 1, so it stands beside dnabert, which a run may have trained "
    "for other steps; mgm has the steps of the rows with more losses.",
    8: "The paper does not say whether its batches had equal steps or saw equal samples.",
}
LOSSES = ("mgm", "ngsp", "srm")


def _span(counts: Iterable[int]) -> str:
    """Return the one number, or the smallest and the largest."""
    counts = [int(n) for n in counts]
    return f"{min(counts):,}" + (f" to {max(counts):,}" if max(counts) > min(counts) else "")


def _together(texts: Mapping[str, str]) -> list[str]:
    """Return ``names: text`` with names of equal text said together."""
    names: dict[str, list[str]] = {}
    for name, text in texts.items():
        names.setdefault(text, []).append(name)
    return [f"{', '.join(group)}: {text}" for text, group in names.items()]


def _source_notes(paper: pd.DataFrame, values: pd.DataFrame, heads: Heads, settings: ReportSettings) -> list[str]:
    """Return where both sides come from."""
    seeds = sorted({int(seed) for listed in values["seeds"] for seed in listed.split()})
    over = f"; mean ± sd over seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}" if seeds else ""
    sources = ", ".join(dict.fromkeys(paper["source"]))
    notes = [f"Paper: {sources}. " * bool(sources) + f"Ours: run {settings.run}, {settings.scale}{over}."]
    text = "Difference: ours - paper."
    shown, last = heads.shown, heads.metrics[-1]
    headline = shown.metrics[last].heading
    if f"{last}_low" in values:
        text += f" {headline} 95 %: bootstrap over {shown.drawn}, bounds averaged over seeds."
    bold = ", and collapsed seeds" if shown.collapsed else ""
    notes.append(f"{text} Bold: our best {headline} of each data set{bold}.")
    if (values["n_pretrainings"] > 1).any():
        notes.append("Seeds p x s: pre-trained with p seeds, each fine-tuned with s; the sd is over all fits.")
    trained = values["n_train"].dropna() if "n_train" in values else []
    if len(trained):
        notes.append(f"Training examples a data set: {_span(trained)}.")
    return notes


def _elsewhere_notes(elsewhere: pd.DataFrame) -> list[str]:
    """Return where the values of others come from."""
    sources = {who: ", ".join(rows["source"].unique()) for who, rows in elsewhere.groupby(ELSEWHERE, sort=False)}
    return [f"{who}: {source}." for who, source in sources.items()]


def _difference_notes(number: int, paper: pd.DataFrame, values: pd.DataFrame, rows: Rows) -> list[str]:
    """Return what only one of the two sides has."""
    notes = []
    alone = {
        "models": [name for name in models_of(rows) if name not in set(paper["our_model"])],
        "data sets": [name for name in rows if name not in set(paper["dataset"])],
    }
    if parts := [f"{kind} {', '.join(names)}" for kind, names in alone.items() if names]:
        notes.append(f"Not in the paper's Table {number}: {'; '.join(parts)}.")
    if missing := int(((values["remark"] == NOT_RUN) & (values["paper_model"] != "")).sum()):
        text = f"Not part of this run: {missing} of the paper's {len(paper)} rows"
        if names := list(dict.fromkeys(values.loc[folded(values), "dataset"])):
            text += f"; those of {', '.join(names)} stand in the csv file only"
        notes.append(f"{text}.")
    return notes


def _unavailable_notes(values: pd.DataFrame, rows: Rows) -> list[str]:
    """Return why models could not be had."""
    texts: dict[str, str] = {}
    for (model, reason), group in values[values["reason"] != ""].groupby(["model", "reason"], sort=False):
        asked = [dataset for dataset, models in rows.items() if model in models]
        sets = list(dict.fromkeys(group["dataset"]))
        where = "" if sets == asked else f" on {', '.join(sets)}"
        texts[f"{model}{where}"] = reason
    notes = [f"Unavailable: {text}." for text in _together(texts)]
    if values["remark"].str.contains("deterministic").any():
        notes.append("Deterministic: the seed of the fit changes nothing.")
    return notes


def _shared_notes(rows: Rows) -> list[str]:
    """Return which rows are one fit, under the name that it has."""
    same: dict[str, list[str]] = {}
    for dataset in rows:
        for row, (name, *_) in fits(rows, dataset).items():
            if row != name and row not in same.setdefault(name, []):
                same[name].append(row)
    texts = [f"{', '.join(group)} under the name {name}" for name, group in same.items() if group]
    return [f"Trained and fine-tuned once, where settings are equal: {'; '.join(texts)}."] if texts else []


def _weights(source: dict[str, str]) -> str:
    """Return what weights an encoder started from, in words."""
    if source["kind"] == "none":
        return "random weights"
    return f"{source.get('id') or source['name']} (sha256 {source['sha256'][:8]})"


def _origin_notes(scores: Scores) -> list[str]:
    """Return what the fine-tuned models were before: Algorithm 1 starts from given weights, a run need not."""
    texts: dict[str, str] = {}
    for (_, model), group in scores.items():
        record = next((score["model_record"] for score in available(group) if score.get("model_record")), {})
        if "settings" not in record or "training" not in record:
            continue
        steps = record["training"]["steps"] if any(record["settings"]["losses"].get(x) for x in LOSSES) else 0
        starts = [
            f"{encoder.replace('_', ' ')} from {_weights(source)}"
            for encoder, source in record.get("initial_weights", {}).items()
        ]
        trained = f"{steps:,} steps of pre-training" if steps else "no pre-training here"
        texts[model] = ", ".join([*starts, trained])
    return [f"Before fine-tuning: {'; '.join(_together(texts))}."] if texts else []


@dataclass(frozen=True)
class Told:
    """What a table is made from, for its notes."""

    number: int
    paper: pd.DataFrame
    elsewhere: pd.DataFrame
    scores: Scores
    rows: Rows
    settings: ReportSettings


def main_notes(told: Told, values: pd.DataFrame, heads: Heads) -> list[str]:
    """Return the footnotes of the main block: sources, metrics, what is missing and why, what models started from."""
    notes = _source_notes(told.paper, values, heads, told.settings) + _elsewhere_notes(told.elsewhere)
    notes += heads.shown.notes(values, told.scores)
    notes += [NOTES_OF_TABLES[told.number]] if told.number in NOTES_OF_TABLES else []
    notes += _difference_notes(told.number, told.paper, values, told.rows)
    notes += _unavailable_notes(values, told.rows) + _shared_notes(told.rows)
    return notes + difference_notes(told.number, told.scores) + _origin_notes(told.scores)


def transfer_notes(transfer: pd.DataFrame, rows: Rows) -> list[str]:
    """Return the footnotes of the transfer matrices."""
    if transfer.empty:
        return [
            "No matrix of training on one data set and testing on another: no score file has been asked for the test "
            "sets of other data sets."
        ]
    notes = ["Rows: trained on; columns: tested on; mean over seeds. Bold: the model's own test set."]
    others = transfer[transfer["trained_on"] != transfer["tested_on"]]
    notes.append(
        "Data sets share peaks, those of two cells most. Of other test sets, examples are left out that overlap the "
        "training or validation examples, are made from a positive that does, or have the same sequence: "
        f"{_span(others['left_out'])} a pair; {_span(others['n_test'])} are left. The cells of a column are therefore "
        "not means over the same examples."
    )
    if without := [name for name in models_of(rows) if name not in set(transfer["model"])]:
        notes.append(f"Without scores on other data sets: {', '.join(without)}.")
    return notes
