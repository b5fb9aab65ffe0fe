"""Tiny BERT folders and labelled sequences for the tests of fine-tuning."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from genebert.genome.kmers import save_tokenizer
from genebert.settings.fitting import FinetuneSettings

SETTINGS = FinetuneSettings(learning_rate=2e-3, epochs=6, batch=32, patience=6, precision="float32")
NAMES = {"task": "promoter", "dataset": "toy", "model": "tiny"}


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


def write_splits(folder: Path, tables: dict[str, pd.DataFrame]) -> Path:
    """Write a task folder."""
    folder.mkdir(exist_ok=True)
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet")
    return folder
