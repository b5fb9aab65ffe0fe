"""All downstream tasks: the modules of this room, and what other packages register."""

import importlib
import pkgutil

from genebert import tasks as room
from genebert.tasks.base import Task

_REGISTERED: dict[str, Task] = {}


def register(task: Task) -> None:
    """Add a task of another package."""
    _REGISTERED[task.name] = task


def all_tasks() -> dict[str, Task]:
    """Return name -> task; those of this package by name, then the registered ones."""
    modules = (importlib.import_module(f"{room.__name__}.{one.name}") for one in pkgutil.iter_modules(room.__path__))
    own = [module.TASK for module in modules if hasattr(module, "TASK")]
    return {task.name: task for task in sorted(own, key=lambda task: task.name)} | _REGISTERED
