"""What every method offers: a fit with a seed, scores of any examples, and files that it comes back from.

docs/architecture.md says how to add one.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from genebert.errors import InputError
from genebert.evaluation.examples import Examples
from genebert.evaluation.kinds.base import Kind
from genebert.files import atomic_path, write_json


class Unavailable(Exception):
    """A method cannot be had; the reason, which the score file gives, is its text."""


@dataclass(frozen=True, eq=False)
class Fitted(ABC):
    """A method after its fit."""

    method: str  # its name
    kind: Kind  # of the task
    record: dict[str, Any]  # settings and choices of the fit, for the score file (JSON types)

    @abstractmethod
    def score(self, examples: Examples) -> np.ndarray:
        """Return the scores of examples (float64 [n, ...], see the kind); labels are not read.

        Raises
        ------
        InputError
            Sequences that the method cannot take.
        """

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write into an empty folder what :meth:`read` needs beside the attributes above."""

    @classmethod
    @abstractmethod
    def read(cls, folder: Path, *about: Any) -> Self:
        """Return what :meth:`write` wrote, which scores the same; `about` are the attributes above."""

    def save(self, folder: str | Path) -> None:
        """Write the classifier as a folder, from which :func:`genebert.methods.registry.load_classifier` reads it."""
        with atomic_path(folder, directory=True) as temporary:
            self.write(temporary)
            about = {"method": self.method, **self.kind.about, "record": self.record}
            write_json(temporary / "classifier.json", about)


class Method(ABC):
    """A way to solve tasks.

    Parameters
    ----------
    kind : Kind
        Of the task.
    options : dict
        Settings that differ from their defaults.
    files : dict
        What the method needs -> path, such as a model folder.
    card : dict
        What the data set says of itself.

    Raises
    ------
    InputError
        A task of another kind, or an option that is no setting.
    Unavailable
        The method cannot be had for this task.
    """

    @dataclass(frozen=True)
    class Settings:
        """None; a method that has some gives a dataclass of its own, and `settings` is one."""

    name: ClassVar[str]
    fitted: ClassVar[type[Fitted]]  # what a fit gives
    kinds: ClassVar[tuple[str, ...] | None] = None  # of tasks that it solves; None: all
    deterministic: ClassVar[bool] = False  # the seed changes nothing
    packages: ClassVar[tuple[str, ...]]  # whose versions belong in the record

    def __init__(self, kind: Kind, options: dict[str, Any], files: dict[str, str | Path], card: dict[str, Any]):
        if self.kinds is not None and kind.name not in self.kinds:
            raise InputError(f"{self.name}: found a task of kind {kind.name}, expected {', '.join(self.kinds)}")
        known = [one.name for one in fields(self.Settings)]
        for key in options:
            if key not in known:
                raise InputError(f"{self.name}: found the setting {key!r}, expected {', '.join(known) or 'none'}")
        self.kind, self.settings = kind, self.Settings(**options)

    def record(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Return the record of a fit of a simple model."""
        return {"method": {"kind": "baseline", "name": self.name}, "settings": settings}

    def prepare(self, examples: Examples) -> None:  # noqa: B027  nothing to do for most methods
        """See all examples that will be scored before anything is fitted: to read them once, and refuse them early.

        The whole training set comes first. Unavailable where the method is none for such examples.
        """

    @abstractmethod
    def fit(self, train: Examples, valid: Examples, seed: int) -> Fitted:
        """Fit on `train`; `valid` chooses what is left to choose.

        Equal arguments give equal scores, bit for bit, on a CPU with the same number of threads.

        Raises
        ------
        InputError
            Sequences that the method cannot take, or training that diverges.
        """
