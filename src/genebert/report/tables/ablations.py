"""What Tables 5, 7 and 8 say of models beside their scores: the matrix in the caption, and which settings differ."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from genebert.paper import ABLATIONS
from genebert.report.tables.kinds.base import Scores, available, value_at
from genebert.report.text import leaves

EQUAL = "-equal"  # after a batch size: for equal samples, which the paper's row may as well be of
# Parts of a model's record that define it; what only says how long and how often does not.
PARTS = ("settings", "training", "data")
NAMED = ("settings.region_encoder.arguments", "settings.region_encoder.name")  # rows and parameters say it
LEFT_OUT = ("validate_every", "validation_batches", "log_every", "checkpoint_every", "micro_batch")


def _records(scores: Scores) -> dict[str, dict[str, Any]]:
    """Return row -> all settings of its pre-training and its fine-tuning, of rows that are models with a record."""
    found = {}
    for (_, row), group in scores.items():
        had = available(group)[:1]
        if record := had and had[0].get("model_record"):
            parts = {part: record.get(part, {}) for part in PARTS} | {"finetune": had[0].get("settings", {})}
            found[row] = {
                key.removeprefix("settings.").removeprefix("data."): one
                for key, one in leaves(parts).items()
                if "/" not in key and not key.startswith(NAMED) and not key.endswith(LEFT_OUT)
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
    """Return what most rows of a table of ablations have, and which have something else; none for other tables."""
    if number not in ABLATIONS:
        return []
    records = _records(scores)
    keys = dict.fromkeys(key for record in records.values() for key in record)
    values = {key: Counter(_word(one[key]) for one in records.values() if key in one) for key in keys}
    # Where each row has its own, as the name of its encoder, there is no most of them, and the row is named after it.
    common = {key: found.most_common(1)[0][0] for key, found in values.items() if found.most_common(1)[0][1] > 1}
    texts, differ = [], set()
    for row, record in records.items():
        # Of a model without the matching loss, or without any, the keys of what it lacks say nothing.
        trained = record.get("training.steps") and record.get("matrix")
        able = [key for key in common if key in record and (trained or not key.startswith("region_encoder"))]
        own = [key for key in able if _word(record[key]) != common[key]]
        differ |= set(own)
        texts += [f"{row}: {', '.join(f'{key} {_word(record[key])}' for key in own)}"] if own else []
    if not texts:
        return []
    most = ", ".join(f"{key} {common[key]}" for key in common if key in differ)
    return [f"Most rows have {most}. Others: {'; '.join(texts)}."]


def _word(value: Any) -> str:
    return {"None": "null", "True": "true", "False": "false"}.get(str(value), str(value))


def counterparts(paper: pd.DataFrame, rows: Mapping[str, Any], *, extended: bool) -> pd.DataFrame:
    """Return the paper's rows of a table; of an extended form those alone that stand beside a row of ours."""
    if not extended:
        return paper
    ours = {model for models in rows.values() for model in models}
    equal = paper["our_model"].where(paper["our_model"].isin(ours), paper["our_model"] + EQUAL)
    paper = paper.assign(our_model=equal)
    return paper[paper["our_model"].isin(ours) & paper["dataset"].isin(list(rows))].reset_index(drop=True)


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
