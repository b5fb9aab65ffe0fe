"""What Tables 5, 7 and 8 say of models beside their scores: the matrix in the caption, and which settings differ."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from genebert.report.tables.kinds.base import Scores, available, value_at

ABLATIONS = (5, 7, 8)  # tables whose rows are models with one setting changed
EQUAL = "-equal"  # after a batch size: for equal samples, which the paper's row may as well be of
# Parts of a model's record that define it; what only says how long and how often does not.
PARTS = ("settings", "training", "data")
LEFT_OUT = ("validate_every", "validation_batches", "log_every", "checkpoint_every", "micro_batch")


def _flat(value: Any, where: str = "") -> dict[str, Any]:
    """Return the leaves of nested mappings, dotted key to value."""
    if not isinstance(value, Mapping):
        return {where: value}
    return {key: leaf for name, one in value.items() for key, leaf in _flat(one, f"{where}.{name}".strip(".")).items()}


def _records(scores: Scores) -> dict[str, dict[str, Any]]:
    """Return row -> all settings of its pre-training and its fine-tuning, of rows that are models with a record."""
    found = {}
    for (_, row), group in scores.items():
        had = available(group)[:1]
        if record := had and had[0].get("model_record"):
            parts = {f"{part}.{key}": one for part in PARTS for key, one in record.get(part, {}).items()}
            leaves = _flat(parts) | {f"finetune.{key}": one for key, one in _flat(had[0].get("settings", {})).items()}
            found[row] = {
                key.removeprefix("settings.").removeprefix("data."): one
                for key, one in leaves.items()
                # Sizes of encoders: the column of parameters says what they come to.
                if "/" not in key and "region_encoder.arguments" not in key and not key.endswith(LEFT_OUT)
            }
    return found


def caption_of(number: int, scores: Scores) -> str:
    """Return how the region x TF matrix is read, for the title of a table of ablations; nothing for others."""
    if number not in ABLATIONS:
        return ""
    trained = [one for one in _records(scores).values() if one.get("matrix")]
    forms = list(dict.fromkeys(str(one["matrix"]) for one in trained))
    images = list(dict.fromkeys(str(one["region_encoder.image"]) for one in trained))
    if not trained:
        return ""
    return f" (region x TF matrix: {' or '.join(forms)}; as an image: {' or '.join(images)})"


def difference_notes(number: int, scores: Scores) -> list[str]:
    """Return in which settings the models of a table of ablations differ from most of its rows; none for others."""
    if number not in ABLATIONS:
        return []
    records = _records(scores)
    keys = dict.fromkeys(key for record in records.values() for key in record)
    common = {key: Counter(str(one.get(key)) for one in records.values()).most_common(1)[0][0] for key in keys}
    texts = []
    for row, record in records.items():
        trained = record.get("training.steps") and record.get("matrix")
        own = [key for key in keys if key in record and str(record[key]) != common[key]]
        # Of a model without the matching loss, or without any, the keys of what it lacks say nothing.
        told = [f"{key} {_word(record[key])}" for key in own if trained or not key.startswith("region_encoder")]
        texts += [f"{row}: {', '.join(told)}"] if told else []
    if not texts:
        return []
    return [f"Settings that differ from those of most rows: {'; '.join(texts)}."]


def _word(value: Any) -> str:
    return {"None": "null", "True": "true", "False": "false"}.get(str(value), str(value))


def counterparts(paper: pd.DataFrame, rows: Mapping[str, Any], *, extended: bool) -> pd.DataFrame:
    """Return the paper's rows of a table; of an extended form those alone that stand beside a row of ours."""
    if not extended:
        return paper
    ours = {model for models in rows.values() for model in models}
    equal = paper["our_model"].where(paper["our_model"].isin(ours), paper["our_model"] + EQUAL)
    paper = paper.assign(our_model=equal)
    return paper[paper["our_model"].isin(ours)].reset_index(drop=True)


def samples_seen(had: list[dict]) -> str:
    """Return how many samples a model was pre-trained on, counted as often as they were read."""
    seen = value_at(had[0], ("model_record", "samples_seen")) if had else None
    return "" if seen is None else f"{seen:,}"


def parameters(had: list[dict]) -> str:
    """Return the parameters of a model's region encoder, in thousands or millions."""
    found = value_at(had[0], ("model_record", "parameters", "region_encoder")) if had else None
    if found is None:
        return ""
    return f"{found / 1e6:.1f} M" if found >= 1e6 else f"{found / 1e3:.0f} k"
