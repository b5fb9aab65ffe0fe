"""A task from outside the package, as somebody would add it: sequences of a table, split by a column."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from genebert.settings.fields import Block, key
from genebert.settings.rules import DataSetName, FilePath, Positive
from genebert.tasks.base import Task
from genebert.tasks.splits import write_task


@dataclass(frozen=True)
class Table(Block):
    """A table of measured sequences."""

    block = "tasks.activity"

    table: FilePath = key(doc="columns sequence, activity, split")
    above: Positive = key(1.0, "activity from which a sequence is called active")


class ActivityTask(Task):
    """Active sequences."""

    name = "activity"
    section = dict[DataSetName, Table]
    default = {}  # noqa: RUF012

    def files(self, settings):
        return {"table": settings["table"]}

    def reads_genome(self, settings):
        return False

    def build(self, settings, sources, folder: Path):
        table = pd.read_csv(sources.files["table"], sep="\t")
        active = (table["activity"] >= settings["above"]).astype(int)
        examples = table[["sequence"]].assign(label=active, source="measured")
        return write_task(examples, table["split"].to_numpy(), folder, {"task": self.name, "settings": settings})


TASK = ActivityTask()
