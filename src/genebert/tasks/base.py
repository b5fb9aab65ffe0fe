"""What a downstream task is to the workflow. To add one, write a module of this room with a `TASK`; see registry."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar


@dataclass(frozen=True)
class Sources:
    """What a data set is made from beside its settings."""

    files: dict[str, Path]  # those of Task.files
    genome: Path | None  # as genebert.genome.fasta.prepare_genome writes it; None where the task does not read it
    chromosomes: list[str]  # those of the run; what lies elsewhere is left out
    seed: int


class Task(ABC):
    """A downstream task."""

    name: ClassVar[str]  # below `tasks` in the configuration, and the folder of its data sets
    section: ClassVar[Any]  # type hint of the block `tasks.{name}`
    default: ClassVar[dict[str, Any]]  # that block in config/config.yaml
    kind: ClassVar[str] = "two-class"  # what its labels are, see genebert.evaluation.kinds
    has_factor: ClassVar[bool] = False  # data sets are about one factor, whose motif matrices may be scored
    places: ClassVar[bool] = False  # examples may be places without bases; methods read those from the genome
    read_again: ClassVar[tuple[str, ...]] = ()  # keys of its files that methods read too: what is not to be copied

    def data_sets(self, section: dict[str, Any], config: Path) -> dict[str, dict[str, Any]]:
        """Return data set -> settings; with `transfer`, the other sets that methods fitted on one are tested on.

        They follow from the block, checked and complete, and the folder ``config``; by default they are the block.

        Raises
        ------
        InputError
            A data set that does not exist, or one name twice.
        """
        return section

    @abstractmethod
    def files(self, settings: dict[str, Any]) -> dict[str, str]:
        """Return key -> file that a data set is made from, beside the genome."""

    def indexes(self, settings: dict[str, Any]) -> dict[str, str]:
        """Return key -> index that the workflow makes beside one of those files; readers find it by its name."""
        return {}

    def reads_genome(self, settings: dict[str, Any]) -> bool:
        """Say whether a data set is cut from the genome."""
        return True

    def bases(self, settings: dict[str, Any]) -> int | None:
        """Return how long all sequences of a data set are, None where only its files tell."""
        return None

    def absences(self, sets: dict[str, dict[str, Any]], config: dict[str, Any]) -> dict[str, str]:
        """Return data set -> why a run of this configuration cannot have it; rows of tables say so."""
        return {}

    @abstractmethod
    def build(self, settings: dict[str, Any], sources: Sources, folder: Path) -> dict[str, Any]:
        """Write train, valid and test.parquet and ``card.json`` into a folder; return the card."""

    def problems(self, sets: dict[str, dict[str, Any]], chromosomes: list[str]) -> Iterator[str]:
        """Say what is wrong with data sets taken together, or beside the run's chromosomes."""
        yield from ()
