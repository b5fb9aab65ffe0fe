"""A kind of task and a method from outside the package, as somebody would add them."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from genebert.errors import InputError
from genebert.evaluation.examples import Examples
from genebert.evaluation.kinds.base import Kind, Scored
from genebert.files import read_json, write_json
from genebert.methods.base import Fitted, Method
from genebert.methods.registry import Entry

# ------------------------------------------------------------------------------------------------------ kind


class LetterClasses(Kind):
    """One of so many classes for every base, all sequences of one length; the scores are [n, length, classes]."""

    name = "letter-classes"
    reads = ("classes",)
    output_words = "logits of every base"
    selects = "accuracy"
    columns = {"label": "object", "score": "object"}  # noqa: RUF012

    def __init__(self, card: dict):
        super().__init__(card)
        self.outputs = card["classes"]

    def check(self, labels: np.ndarray, where: str) -> None:
        if labels.ndim != 2 or not np.isin(labels, range(self.outputs)).all():
            raise InputError(f"{where}: expected a list of {self.outputs} classes for each sequence")

    def strata(self, labels: np.ndarray) -> np.ndarray:
        return np.zeros(len(labels))

    def states(self, states: torch.Tensor, mask: torch.Tensor | None, pooling: str, k: int) -> torch.Tensor:
        kmers = states[:, 1:-1].float()
        base = torch.arange(kmers.shape[1] + k - 1)
        return kmers[:, (base - k // 2).clamp(0, kmers.shape[1] - 1)]  # of the k-mer that the base is the middle of

    def loss(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(outputs.flatten(0, 1), labels.flatten().long())

    def scores(self, outputs: torch.Tensor) -> torch.Tensor:
        return outputs.softmax(-1)

    def turn(self, values: np.ndarray) -> np.ndarray:
        return values[:, ::-1]

    def select(self, examples: Examples, scores: np.ndarray) -> float:
        return float((scores.argmax(-1) == examples.labels).mean())

    def metrics(self, tested: Scored) -> dict:
        return {"accuracy": self.select(tested.examples, tested.scores), "n": len(tested.examples)}

    def predictions(self, tested: Scored) -> pd.DataFrame:
        scores = tested.scores.reshape(len(tested.scores), -1)
        return pd.DataFrame({"label": list(tested.examples.labels), "score": list(scores)})


def letter_classes(n: int, seed: int, length: int = 24) -> pd.DataFrame:
    """Random sequences; C and G are of class 1, but of class 2 where they are CG."""
    letters = np.random.default_rng(seed).choice(list("ACGT"), size=(n, length))
    label = np.isin(letters, ("C", "G")).astype(np.int8)
    pair = (letters[:, :-1] == "C") & (letters[:, 1:] == "G")
    label[:, :-1][pair] = label[:, 1:][pair] = 2
    return pd.DataFrame({"sequence": ["".join(row) for row in letters], "label": list(label)})


# ------------------------------------------------------------------------------------------------------ method


@dataclass(frozen=True, eq=False)
class LettersModel(Fitted):
    """Score by letter: of each base, or the mean over a sequence."""

    by_letter: np.ndarray

    def score(self, examples: Examples) -> np.ndarray:
        codes, lengths = examples.codes()
        scores = self.by_letter[codes]
        return scores if scores.ndim == 3 else scores.sum(1) / lengths

    def write(self, folder: Path) -> None:
        write_json(folder / "letters.json", self.by_letter.tolist())

    @classmethod
    def read(cls, folder: Path, *about) -> "LettersModel":
        return cls(*about, np.array(read_json(folder / "letters.json")))


class Letters(Method):
    """Counts which labels come with which letter, and adds a little noise."""

    @dataclass(frozen=True)
    class Settings:
        weight: float = 1.0

    name = "letters"
    fitted = LettersModel
    packages = ("numpy",)
    fits: list[tuple[int, int]] = []  # seed and number of examples  # noqa: RUF012

    def fit(self, train: Examples, valid: Examples, seed: int) -> LettersModel:
        self.fits.append((seed, len(train)))
        time.sleep(float(os.environ.get("LETTERS_PAUSE", 0)) * (seed > 0))
        codes, _ = train.codes()
        labels = train.labels if train.labels.ndim == 2 else np.repeat(train.labels[:, None], codes.shape[1], 1)
        counts = np.ones((5, self.kind.outputs))
        np.add.at(counts, (codes, labels), self.settings.weight)
        counts += np.random.default_rng(seed).random(counts.shape) / 100
        shares = counts / counts.sum(1, keepdims=True)
        by_letter = shares if self.kind.name == LetterClasses.name else shares[:, 1] * (np.arange(5) < 4)
        return LettersModel(self.name, self.kind, self.record({"weight": self.settings.weight}), by_letter)


LETTERS = Entry("toy_methods:Letters")
