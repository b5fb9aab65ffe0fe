"""Settings of fine-tuning."""

import itertools
import math
from dataclasses import dataclass, field, fields, replace
from numbers import Real
from typing import Any

from genebert.errors import InputError

CHOICES = {
    "pooling": ("cls", "mean", "max"),
    "strands": ("given", "both"),
    "precision": ("auto", "float32", "bfloat16"),
}


@dataclass(frozen=True)
class FinetuneSettings:
    """Settings of fine-tuning.

    Attributes
    ----------
    learning_rate : float
        Peak. A linear probe (`frozen`) needs a far larger one than a whole network: about 1e-3 to 1e-2.
    epochs : int
        Most epochs; the schedule's length.
    batch : int
        Sequences a step.
    warmup_fraction : float
        Share of the steps with rising rate; then linear decay to zero.
    weight_decay : float
        Not on biases and LayerNorm.
    patience : int
        Epochs without a better validation AUC before training stops.
    dropout : float
        In the encoder (hidden states and attention) and before the classifier.
    clip : float
        Largest gradient norm.
    betas, epsilon : AdamW
    precision : {"auto", "float32", "bfloat16"}
        ``auto``: bfloat16 autocast where the processor has it, but float32 for a frozen encoder: its [CLS] states
        differ so little between sequences that bfloat16 moves them by up to 8 % of their standard deviation. The
        classifier itself is always float32.
    pooling : {"mean", "cls", "max"}
        What the classifier sees of the last hidden states: their mean over all tokens of the sequence, [CLS] and [SEP]
        included, the one at [CLS], or the largest value of each unit over all tokens, which a short site anywhere can
        reach. With ``losses.pooling`` regions or mean, pre-training shapes means of states and never trains [CLS].
    strands : {"given", "both"}
        ``both``: the reverse complement of each training example is one more example of the same class, and a
        sequence's probability is the mean over its two strands. For what binds to either strand, not for promoters.
    frozen : bool
        The encoder stays as it is, without dropout; the classifier is trained on its pooled states, standardised with
        mean and standard deviation of the training examples: a linear probe.
    grid : dict of list, or None
        Other settings -> values to try. All combinations are fine-tuned with the same seed, and the one with the best
        validation AUC is kept, the first of equals. The last key varies fastest.

    Raises
    ------
    InputError
        A value out of its range, or a key of `grid` that is no setting.
    """

    learning_rate: float = 3e-5
    epochs: int = 10
    batch: int = 32
    warmup_fraction: float = 0.1
    weight_decay: float = 0.01
    patience: int = 3
    dropout: float = 0.1
    clip: float = 1.0
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    precision: str = "auto"
    pooling: str = "mean"
    strands: str = "given"
    frozen: bool = False
    grid: dict[str, list[Any]] | None = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("learning_rate", "clip", "epsilon"):
            self._expect(name, _number(getattr(self, name)) and getattr(self, name) > 0, "a number above 0")
        for name in ("epochs", "batch", "patience"):
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            self._expect(name, whole, "a whole number of at least 1")
        for name in ("warmup_fraction", "dropout"):
            self._expect(name, _share(getattr(self, name)), "0 or more and less than 1")
        self._expect("weight_decay", _number(self.weight_decay) and self.weight_decay >= 0, "0 or more")
        pair = isinstance(self.betas, (list, tuple)) and len(self.betas) == 2 and all(map(_share, self.betas))
        self._expect("betas", pair, "two numbers, each 0 or more and less than 1")
        object.__setattr__(self, "betas", tuple(self.betas))
        for name, choices in CHOICES.items():
            self._expect(name, getattr(self, name) in choices, f"one of {', '.join(choices)}")
        self._expect("frozen", isinstance(self.frozen, bool), "true or false")
        self._check_grid()

    def _expect(self, name: str, good: bool, expected: str) -> None:
        if not good:
            raise InputError(f"finetune.{name}: found {getattr(self, name)!r}, expected {expected}")

    def _check_grid(self) -> None:
        grid = {} if self.grid is None else self.grid
        self._expect("grid", isinstance(grid, dict), "settings, each with a list of values")
        names = [one.name for one in fields(self) if one.name != "grid"]
        for name, values in grid.items():
            if name not in names:
                raise InputError(f"finetune.grid: found the key {name!r}, expected one of {', '.join(names)}")
            if not isinstance(values, (list, tuple)) or not values:
                raise InputError(f"finetune.grid.{name}: found {values!r}, expected a list of at least one value")
            for value in values:
                try:
                    replace(self, grid={}, **{name: value})
                except InputError as error:
                    raise InputError(f"finetune.grid: {error}") from error
        object.__setattr__(self, "grid", {name: list(values) for name, values in grid.items()})

    def combinations(self) -> list[tuple[dict[str, Any], "FinetuneSettings"]]:
        """Return the grid's combinations, each with the settings that it makes; one, empty, without a grid."""
        changes = [dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())]
        return [(change, replace(self, grid={}, **change)) for change in changes]


def _number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _share(value: Any) -> bool:
    return _number(value) and 0 <= value < 1
