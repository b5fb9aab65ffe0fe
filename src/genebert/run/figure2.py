"""What Figure 2 of a run is made from, and what its rules' scripts are told."""

from typing import Any

from genebert.errors import InputError
from genebert.run.run import Run
from genebert.settings.figure2 import PANELS
from genebert.settings.sentences import show


def why_no_figure2(run: Run) -> str:
    """Return why the run goes without Figure 2, nothing where it has it."""
    if run.figure2_models():
        return ""
    asked = [run.config["figure2"][panel] for panel in PANELS]
    if None in asked:
        return "the configuration asks for none"
    reasons = {name: run.models.reason_of_absence(name) for name in asked}
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items() if reason)


def figure2_inputs(run: Run) -> dict[str, Any]:
    """Return the files that Figure 2 is made from; an InputError where the run goes without."""
    if not (models := run.figure2_models()):
        asked = run.config["figure2"]
        # Of the first panel that has no model; where one is null, it is uni_modal.
        panel = next(one for one in PANELS if asked[one] is None or run.models.reason_of_absence(asked[one]))
        why = f"; {why_no_figure2(run)}" if asked[panel] else ""
        raise InputError(f"figure2.{panel}: found {show(asked[panel])}, expected two models that can be had{why}")
    files = {panel: f"{run.results}/embeddings/{run.models.canonical[name]}.npz" for panel, name in models.items()}
    return files | {"sequences": run.sequences}


def embed_job(run: Run) -> dict[str, Any]:
    """Return what :class:`genebert.models.embedding.EmbedJob` needs to know."""
    figure2 = run.config["figure2"]
    return {name: figure2[name] for name in ("cell_types", "samples", "pooling")} | {
        "least": figure2["neighbours"] + 1,  # each needs so many others of its type
        "seed": run.config["seed"],
        "region_bp": run.config["corpus"]["region_bp"],
    }
