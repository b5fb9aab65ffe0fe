"""Tiny BERT folders and labelled sequences for the tests of fine-tuning."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from method_inputs import make_method, sets

from genebert.genome.kmers import save_tokenizer
from genebert.settings.fitting import FinetuneSettings

SETTINGS = FinetuneSettings(learning_rate=2e-3, epochs=6, batch=32, patience=6, precision="float32")


def make_folder(folder: Path, k: int = 3, positions: int = 64, seed: int = 0, head: str = "BertModel") -> Path:
    """Write a BERT with 2 layers of 32 and a k-mer tokenizer."""
    import transformers

    config = transformers.BertConfig(
        vocab_size=5 + 4**k, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=positions, initializer_range=0.15,
    )  # fmt: skip
    torch.manual_seed(seed)
    getattr(transformers, head)(config).save_pretrained(folder)
    save_tokenizer(folder, k, positions)
    return folder


def toy(n: int, seed: int, length: int = 30) -> pd.DataFrame:
    """Random sequences; positives carry TATAAA somewhere."""
    rng = np.random.default_rng(seed)
    letters = rng.choice(list("ACGT"), size=(n, length))
    label = rng.permutation(np.arange(n) % 2)
    for i in np.flatnonzero(label):
        start = rng.integers(length - 5)
        letters[i, start : start + 6] = list("TATAAA")
    return pd.DataFrame({"sequence": ["".join(row) for row in letters], "label": label.astype(np.int8)})


@dataclass(frozen=True)
class Result:
    """What a fine-tuned model says of all sets but ``train``, and what it records."""

    scores: dict[str, np.ndarray]
    record: dict[str, Any]

    @property
    def history(self) -> list[dict[str, float]]:
        return self.record["history"]

    @property
    def best_epoch(self) -> int:
        return self.record["best_epoch"]

    @property
    def trials(self) -> list[dict[str, Any]]:
        return self.record["grid_search"]["trials"]

    @property
    def used(self) -> FinetuneSettings:
        """The settings that the scores come from."""
        values = {name: self.record["settings"][name] for name in asdict(FinetuneSettings())}
        return FinetuneSettings(**values | {"grid": {}})


def finetune(folder: Path, tables: dict[str, pd.DataFrame], settings: FinetuneSettings, seed: int) -> Result:
    """Fine-tune on ``train`` and ``valid`` and score all others."""
    method, given = make_method("finetune", asdict(settings), model=folder), sets(tables)
    for one in given.values():
        method.prepare(one)
    fitted = method.fit(given["train"], given["valid"], seed)
    return Result({name: fitted.score(one) for name, one in given.items() if name != "train"}, fitted.record)
