"""Any method on any task: read, fit with each seed, score, and write the score files."""

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from genebert.errors import InputError
from genebert.evaluation.examples import SPLITS, Examples, read_card, training_rows
from genebert.evaluation.kinds.base import Kind, Scored
from genebert.evaluation.kinds.registry import kind_of
from genebert.evaluation.scores import Outcome, write_score, write_unavailable
from genebert.evaluation.transfer import foreign_tests
from genebert.files import at_work_alone, atomic_path, sha256
from genebert.genome.fasta import Genome
from genebert.methods.base import Fitted, Method, Unavailable
from genebert.methods.registry import METHODS, find_method

logger = logging.getLogger(__name__)
ABOUT = ("factor", "cell", "tissue", "genes", "cohort")  # what score files repeat of a data set's card


@dataclass(frozen=True)
class FitJob:
    """One method on one data set."""

    task: str
    dataset: str
    name: str  # of the model or method, as the tables show it
    method: str  # a key of `METHODS`
    data: str | Path  # task folder: train, valid and test.parquet, and card.json
    output: str | Path  # folder for seed{seed}.json and .parquet; with `sizes`, n{size}_seed{seed}
    checkpoints: str | Path  # folder, of this job alone, for what is finished while others are not; removed at the end
    seeds: list[int]  # of the fits, and of the choice of examples for `sizes`
    sizes: list[int] | None = None  # numbers of training examples to fit with; all by default
    options: dict[str, Any] = field(default_factory=dict)  # settings of the method that differ from its defaults
    # What the method needs, genome for places, and those of the task's own that the kind reads again -> path.
    files: dict[str, str | Path] = field(default_factory=dict)
    transfer: dict[str, str | Path] = field(default_factory=dict)  # other data set of the task -> its task folder
    classifiers: str | Path | None = None  # folder for the fitted classifiers, if they are kept

    @property
    def names(self) -> dict[str, str]:
        """What score files call it."""
        return {"task": self.task, "dataset": self.dataset, "model": self.name}

    def fits(self) -> Iterator[tuple[str, int, int | None]]:
        """Yield stem of the files, seed and number of training examples."""
        for seed in self.seeds:
            for size in self.sizes or [None]:
                yield (f"seed{seed}" if size is None else f"n{size}_seed{seed}"), seed, size


class _Data(NamedTuple):
    """The splits by name, the test sets of other data sets by theirs, and what the record says of both."""

    splits: dict[str, Examples]
    foreign: dict[str, Examples]
    record: dict[str, Any]


def _read(job: FitJob, kind: Kind, card: dict[str, Any]) -> _Data:
    genome = Genome(job.files["genome"]) if "genome" in job.files else None
    paths = {split: Path(job.data) / f"{split}.parquet" for split in SPLITS}
    hashes = {split: sha256(path) for split, path in paths.items()}
    splits = kind.read(paths, genome, job.files)
    for split, path in paths.items():
        kind.check(splits[split].labels, str(path))
    record = {"data_set": {key: card[key] for key in ABOUT if key in card}, "data_sha256": hashes}
    # What is left out of foreign test sets does not depend on the size: all points of a learning curve see the same.
    foreign = foreign_tests(splits["train"], splits["valid"], job.transfer, kind) if job.transfer else {}
    if foreign:
        record["transfer_sha256"] = {name: sha256(Path(job.transfer[name]) / "test.parquet") for name in foreign}
    return _Data(splits, foreign, record)


def _digest(path: str | Path) -> dict[str, str]:
    """Return what changes when a file, or a file of a folder, does."""
    path = Path(path)
    if path.suffix == ".fa" and path.with_suffix(".json").is_file():
        path = path.with_suffix(".json")  # gigabytes of genome: its record holds the md5 of each chromosome
    files = sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path]
    return {one.name: sha256(one) for one in files}


def _fingerprint(job: FitJob, kind: Kind, record: dict[str, Any]) -> str:
    """Return what all that the scores depend on, but for seed and size, is known by."""
    parts = {
        "names": job.names,
        "kind": kind.about,
        "method": job.method,
        "options": job.options,
        "files": {name: _digest(path) for name, path in job.files.items()},
        "record": record,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _method(job: FitJob, kind: Kind, card: dict[str, Any]) -> Method:
    found = find_method(job.method)
    for need in METHODS[job.method].needs:
        if need not in job.files:
            raise InputError(f"{job.method}: found no {need} among its files, expected a path")
    return found(kind, job.options, job.files, card)


def _together(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what all fits say alike, and the rest of each below ``fits``; of one fit its record."""
    if len(records) == 1:
        return records[0]
    alike = {key for key, value in records[0].items() if all(one.get(key) == value for one in records[1:])}
    own = [{key: value for key, value in one.items() if key not in alike} for one in records]
    return {key: records[0][key] for key in records[0] if key in alike} | {"fits": own}


def _fit(job: FitJob, method: Method, data: _Data, seed: int, size: int | None) -> tuple[list[Fitted], Outcome]:
    """Fit once, or for every fold of a cross-validated data set; `size` examples of each training set."""
    start = time.perf_counter()
    fits: list[Fitted] = []
    seen: dict[str, list[Scored]] = {"valid": [], "test": []}
    smaller = False
    for part in method.kind.rotations(data.splits):
        train = part["train"]
        if size is not None:
            train = train.subset(training_rows(method.kind.strata(train.labels), size, seed))
        smaller |= len(train) < len(part["train"])
        fits.append(method.fit(train, part["valid"], seed))
        for name, scored in seen.items():
            scored.append(Scored(part[name], fits[-1].score(part[name])))
    fitted = fits[-1]
    outcome = Outcome(
        job.names,
        seed,
        method.kind,
        **{name: method.kind.joined(scored) for name, scored in seen.items()},
        transfer={name: Scored(one, fitted.score(one)) for name, one in data.foreign.items()},
        # The seed also chooses the examples of a smaller training set.
        deterministic=method.deterministic and not smaller,
        record=_together([one.record for one in fits]) | data.record | {"n_train": len(train)},
        seconds=time.perf_counter() - start,
    )
    return fits, outcome


def _keep(fits: list[Fitted], folder: Path) -> None:
    """Save a classifier; those of several folds below a folder each, which is whole or not there."""
    if len(fits) == 1:
        fits[0].save(folder)
        return
    with atomic_path(folder, directory=True) as temporary:
        for number, fitted in enumerate(fits):
            fitted.save(temporary / f"fold{number}")


def run_method(job: FitJob) -> None:
    """Fit a method with all seeds (and sizes) and write a score file with predictions for each.

    What is finished is kept in `job.checkpoints` until all is: a job that was killed goes on with what is missing, if
    data, files, settings and versions are the same. A method that cannot be had, and a size above the number of
    training examples, give score files that say so and hold no number.

    Raises
    ------
    InputError
        Unknown method, missing file, unreadable data, or a fit that fails; see the method.
    """
    with at_work_alone(job.checkpoints):
        _run(job)


def _run(job: FitJob) -> None:
    card = read_card(job.data)
    kind = kind_of(card, str(Path(job.data) / "card.json"))
    if job.classifiers:
        Path(job.classifiers).mkdir(parents=True, exist_ok=True)  # also where there will be none to keep
    try:
        method = _method(job, kind, card)
        data = _read(job, kind, card)
        for examples in (*data.splits.values(), *data.foreign.values()):
            method.prepare(examples)
    except Unavailable as reason:
        logger.warning("%s cannot be had: %s", job.name, reason)
        for stem, seed, _ in job.fits():
            write_unavailable(Path(job.output) / f"{stem}.json", job.names, seed, str(reason), kind)
        return
    data.record["versions"] = {name: version(name) for name in method.packages}
    finished, n = Path(job.checkpoints) / _fingerprint(job, kind, data.record), len(data.splits["train"])
    once = None
    for stem, seed, size in job.fits():
        path, kept = finished / f"{stem}.json", finished / stem
        if path.is_file() and (kept.is_dir() or not job.classifiers):
            logger.info("%s, %s: finished before", job.name, stem)
        elif size is not None and size > n:
            logger.warning("%s, %s: left out, only %d training examples", job.name, stem, n)
            write_unavailable(path, job.names | {"n_train": size}, seed, f"only {n} training examples", kind)
        else:
            fits, outcome = once or _fit(job, method, data, seed, size)
            if size is None and method.deterministic:
                once = fits, outcome
            if job.classifiers:
                _keep(fits, kept)
            metrics = write_score(path, replace(outcome, seed=seed))["metrics"]
            numbers = ", ".join(f"{key} {value:.4g}" for key, value in metrics.items() if isinstance(value, float))
            logger.info("%s, %s: %s; %.1f s", job.name, stem, numbers, outcome.seconds)
    _publish(job, finished)


def _publish(job: FitJob, finished: Path) -> None:
    """Copy what is finished to its places, and remove the checkpoints."""
    for stem, _, _ in job.fits():
        for name in (f"{stem}.parquet", f"{stem}.json"):
            with atomic_path(Path(job.output) / name) as temporary:
                shutil.copyfile(finished / name, temporary)
        if job.classifiers and (finished / stem).is_dir():
            with atomic_path(Path(job.classifiers) / stem, directory=True) as temporary:
                shutil.copytree(finished / stem, temporary, dirs_exist_ok=True)
    # First what says that the rest is whole: this too may be killed.
    for stem, _, _ in job.fits():
        (finished / f"{stem}.json").unlink()
    shutil.rmtree(job.checkpoints)
