"""All downstream tasks: the modules of this room, and those of other packages.

Another package names its own as an entry point, in its ``pyproject.toml``: ``[project.entry-points."genebert.tasks"]``,
``activity = "mypackage.activity:TASK"``.
"""

import importlib
import pkgutil
import sys
from functools import lru_cache
from importlib.metadata import entry_points

from genebert import tasks as room
from genebert.tasks.base import Task

GROUP = "genebert.tasks"


@lru_cache(maxsize=1)
def _installed(path: tuple[str, ...]) -> list[Task]:
    """Return the tasks of other packages on `path`; looking for them reads a file of every installed package."""
    return [point.load() for point in entry_points(group=GROUP)]


def all_tasks() -> dict[str, Task]:
    """Return name -> task; those of this package by name, then the others."""
    modules = (importlib.import_module(f"{room.__name__}.{one.name}") for one in pkgutil.iter_modules(room.__path__))
    own = [module.TASK for module in modules if hasattr(module, "TASK")]
    others = _installed(tuple(sys.path))
    return {task.name: task for task in [*sorted(own, key=lambda task: task.name), *others]}
