"""A simple model on a task folder: fit, scores on the test set and on those of other data sets, score file."""

import logging
import time
from pathlib import Path
from typing import Any

from genebert.errors import InputError
from genebert.evaluation.inputs import read_inputs
from genebert.evaluation.scores import versions, write_score, write_unavailable
from genebert.files import read_json, sha256
from genebert.methods.baselines import find_baseline, fit
from genebert.methods.pwm import factor_motifs
from genebert.motifs.jaspar import Motif, read_jaspar

logger = logging.getLogger(__name__)


def _motifs(task_folder: Path, jaspar: str | Path | None) -> tuple[str, list[Motif]]:
    """Return the factor that a task's card names, and its matrices."""
    if jaspar is None:
        raise InputError("pwm: no JASPAR file given; expected the path of the matrices in JASPAR's text form")
    path = task_folder / "card.json"
    if not path.is_file():
        raise InputError(f"{path}: does not exist; expected the card of a task, with the key factor")
    factor = read_json(path).get("factor")
    if not isinstance(factor, str) or not factor:
        raise InputError(
            f"{path}: factor is {factor!r}, expected the name of a transcription factor (pwm is a baseline of tasks on "
            "the binding of one factor)"
        )
    return factor, factor_motifs(read_jaspar(jaspar), factor)


def run_baseline(
    name: str,
    task_folder: str | Path,
    seed: int,
    out_json: str | Path,
    out_parquet: str | Path,
    names: dict[str, str],
    transfer: dict[str, str | Path] | None = None,
    jaspar: str | Path | None = None,
    n_train: int | None = None,
    release: str = "JASPAR2018",
) -> dict[str, Any]:
    """Fit a simple model on a task folder and write its score file.

    Parameters
    ----------
    name : str
        A key of `BASELINES`.
    task_folder : path
        Holds train, valid and test.parquet, and card.json.
    seed : int
        Of the fit, and of the choice of `n_train` examples.
    out_json, out_parquet : path
    names : dict
        task, dataset, model, as the table will show them.
    transfer : dict, optional
        Other data set of the task -> its task folder: the fitted model is scored on their test sets too.
    jaspar : path, optional
        JASPAR text (:func:`~genebert.motifs.jaspar.read_jaspar`), for ``pwm``. A factor without a matrix gives a score
        file that says so and holds no number.
    n_train : int, optional
        Fit on so many training examples (:func:`genebert.evaluation.examples.training_subset`); all by default.
    release : str
        Where `jaspar` comes from; for the record.

    Returns
    -------
    dict
        The content of the score file.

    Raises
    ------
    InputError
        Unknown name, unreadable tables, or for ``pwm`` no `jaspar` or no factor in the card; see :func:`fit`.
    """
    baseline, folder = find_baseline(name), Path(task_folder)
    motifs, source = None, {}
    if name == "pwm":
        factor, motifs = _motifs(folder, jaspar)
        if not motifs:
            reason = f"{release.replace('JASPAR', 'JASPAR ')} CORE vertebrates has no matrix of {factor}"
            logger.warning("pwm cannot be had: %s", reason)
            return write_unavailable(out_json, out_parquet, names, seed, reason)
        source = {"factor": factor, "jaspar_release": release, "jaspar_sha256": sha256(jaspar)}
    inputs = read_inputs(folder, seed, n_train, transfer)
    start = time.perf_counter()
    fitted = fit(name, inputs.tables, seed, motifs)
    labels = {split: inputs.tables[split]["label"].to_numpy() for split in ("valid", "test")}
    scores = {split: fitted.score(inputs.tables[split]) for split in ("valid", "test")}
    foreign = {
        other: (found.table["label"].to_numpy(), fitted.score(found.table), found.left_out)
        for other, found in inputs.foreign.items()
    }
    seconds = time.perf_counter() - start
    provenance = {
        "method": {"kind": "baseline", "name": name},
        "settings": {**source, **fitted.settings},
        **inputs.record,
        "versions": versions(*baseline.packages),
    }
    score = write_score(
        out_json, out_parquet, names, seed, labels, scores,
        # The seed also chooses the examples of a smaller training set.
        deterministic=baseline.deterministic and not inputs.is_part,
        provenance=provenance, seconds=seconds, transfer=foreign or None,
    )  # fmt: skip
    logger.info("%s, seed %d: test AUC %.4f, %.1f s", name, seed, score["metrics"]["roc_auc"], seconds)
    return score
