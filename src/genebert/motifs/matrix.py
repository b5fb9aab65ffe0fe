"""The regions x motifs matrix: made in pieces by any number of processes, stored as a memory-mapped array."""

import hashlib
import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.files import atomic_path, read_json, write_json
from genebert.genome.sequences import RegionSequences
from genebert.motifs.composition import remove_composition
from genebert.motifs.jaspar import METADATA, Motif, jaspar_text
from genebert.motifs.scan import BestScorer, HitScanner
from genebert.motifs.scoring import Scoring, base_counts, chance_shares, gc_bins, score_motifs, strand_background
from genebert.settings.data import MotifSettings

logger = logging.getLogger(__name__)
KINDS = {"max_score": np.float16, "binary": np.uint8, "counts": np.uint16, "descartes": np.uint8}
_DESCARTES_P = 1e-7
_CHUNK_BASES = 2_000_000
# MOODS makes a Python object of every hit; one piece of work should make no more than about this many.
_CHUNK_HITS = 500_000
_STATISTICS_ROWS = 8192
_LOG_SECONDS = 10


@dataclass(frozen=True)
class _Part:
    """Regions that share a background."""

    background: tuple[float, float, float, float]
    regions: np.ndarray
    gc: tuple[float, float] | None = None


def _parts(sequences: RegionSequences, settings: MotifSettings) -> list[_Part]:
    """Group the regions by background, from the whole set, before any work is cut into pieces."""
    if settings.matrix != "descartes":
        by_regions = settings.background == "regions"
        counts = base_counts(sequences).sum(axis=0) if by_regions else settings.background
        return [_Part(strand_background(counts), np.arange(len(sequences)))]
    counts = base_counts(sequences)
    edges, found = gc_bins(counts)
    members = [np.flatnonzero(found == i) for i in range(max(len(edges) - 1, 1))]
    return [
        _Part(strand_background(counts[regions].sum(axis=0) + 1), regions, (float(low), float(high)))
        for regions, low, high in zip(members, edges, np.append(edges[1:], edges[-1]), strict=False)
    ]


def _lengths(sequences: RegionSequences, regions: np.ndarray) -> np.ndarray:
    return sequences.offsets[regions + 1] - sequences.offsets[regions]


def _chunks(sequences: RegionSequences, parts: list[_Part], bases: int) -> list[tuple[int, np.ndarray]]:
    """Cut each part into runs of regions of about `bases` bases: (number of the part, regions)."""
    chunks = []
    for number, part in enumerate(parts):
        group = (np.cumsum(_lengths(sequences, part.regions)) - 1) // bases
        cuts = np.flatnonzero(np.diff(group)) + 1
        chunks += [(number, regions) for regions in np.split(part.regions, cuts) if len(regions)]
    return chunks


class _Worker:
    """Scores regions and writes their rows; one in every process."""

    def __init__(self, sequences: RegionSequences, scorings: list[Scoring], kind: str, path: Path):
        self.sequences, self.scorings, self.kind = sequences, scorings, kind
        self.matrix = np.load(path, mmap_mode="r+")
        scanner = BestScorer if kind == "max_score" else HitScanner
        self.scanner = lru_cache(1)(lambda number: scanner(scorings[number]))

    def __call__(self, chunk: tuple[int, np.ndarray]) -> tuple[int, np.ndarray]:
        """Fill the rows of one chunk; return its number of bases, and of regions with a hit (int64 [n_motifs])."""
        number, regions = chunk
        if self.kind == "max_score":
            rows = self.scanner(number).score(self.sequences, regions)
            hits = (rows >= self.scorings[number].thresholds).sum(axis=0)
        else:
            rows = self.scanner(number).count(self.sequences, regions)
            hits = (rows > 0).sum(axis=0)
            if self.kind != "counts":
                rows = rows > 0
            elif rows.max() > np.iinfo(np.uint16).max:
                raise InputError(
                    f"motifs.matrix: a region has {rows.max()} hits of one motif, expected at most 65535; use "
                    "`binary`, a smaller p_value or shorter regions"
                )
        self.matrix[regions] = rows
        return int(_lengths(self.sequences, regions).sum()), hits


_function: Callable | None = None


def _set_function(make: Callable[[], Callable]) -> None:
    global _function
    _function = make()


def _call(task: Any) -> Any:
    return _function(task)


def _map(make: Callable[[], Callable], tasks: list, processes: int) -> Iterator[Any]:
    """Yield the results of the tasks in their order; `make` makes the function, once in each process."""
    processes = min(processes, len(tasks))
    if processes == 1:
        yield from map(make(), tasks)
        return
    # Forked processes share the sequences' memory, and do not run the caller's script a second time.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(processes, context, initializer=_set_function, initargs=(make,)) as pool:
        yield from pool.map(_call, tasks)


def _allocate(path: Path, shape: tuple[int, int], dtype: type) -> None:
    """Make an array file, with its disk space reserved: a full disk would kill a writer of mapped memory."""
    np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as handle:
            try:
                os.posix_fallocate(handle.fileno(), 0, path.stat().st_size)
            except OSError as error:
                raise InputError(
                    f"{path}: cannot reserve {path.stat().st_size / 1e9:.1f} GB ({error.strerror}); expected free "
                    "space in the results folder"
                ) from error


def _mean_sd(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and sd per column, NaN left out, summed in blocks of a fixed size."""
    number, total, squares = (np.zeros(matrix.shape[1]) for _ in range(3))
    for first in range(0, len(matrix), _STATISTICS_ROWS):
        block = matrix[first : first + _STATISTICS_ROWS].astype(np.float64)
        unknown = np.isnan(block)
        block[unknown] = 0
        number += len(block) - unknown.sum(axis=0)
        total += block.sum(axis=0)
        squares += (block * block).sum(axis=0)
    with np.errstate(invalid="ignore"):
        mean = total / number
        return mean, np.sqrt(np.maximum(squares / number - mean * mean, 0))


def _collect(done: Iterable[tuple[int, np.ndarray]], total: int, what: str) -> np.ndarray:
    """Add up the regions with a hit; log bases done, rate and remaining time every few seconds and at the end."""
    start = last = time.monotonic()
    bases, hits = 0, 0
    for more, found in done:
        bases, hits = bases + more, hits + found
        now = time.monotonic()
        if now - last >= _LOG_SECONDS or bases == total:
            rate = bases / max(now - start, 1e-9)
            logger.info(
                "%s: %.1f of %.1f Mbp (%.0f %%), %.2f Mbp/s, %.0f s left",
                what, bases / 1e6, total / 1e6, 100 * bases / total, rate / 1e6, (total - bases) / rate,
            )  # fmt: skip
            last = now
    return hits


def _table(motifs: list[Motif], scorings: list[Scoring], settings: MotifSettings) -> pd.DataFrame:
    """Return one row a motif: what it is, and its scores where one background is that of all regions."""
    columns = [*METADATA, "width"]
    table = pd.DataFrame(map(attrgetter(*columns), motifs), columns=columns)
    single = settings.matrix != "descartes"
    return table.assign(
        threshold=scorings[0].thresholds if single else np.nan,
        max_possible=scorings[0].max_possible if single else np.nan,
        reaches_p=np.all([scoring.min_p <= settings.p_value for scoring in scorings], axis=0),
    )


def _background_record(part: _Part, scoring: Scoring) -> dict:
    record = {"regions": len(part.regions), "background": list(part.background)}
    if part.gc is None:
        return record
    scores = {"thresholds": scoring.thresholds.tolist(), "max_possible": scoring.max_possible.tolist()}
    return record | {"gc": list(part.gc), **scores}


def build_motif_matrix(
    sequences: RegionSequences,
    motifs: list[Motif],
    settings: MotifSettings,
    folder: str | Path,
    processes: int,
    training: np.ndarray | None = None,
) -> None:
    """Score every region with every motif and write the matrix.

    The result does not depend on `processes`: backgrounds and thresholds are computed once from the whole set, and
    each row depends on its region alone.

    Parameters
    ----------
    sequences, settings, processes
    motifs : list of Motif
        In the order of the columns; as :func:`genebert.motifs.jaspar.read_jaspar` has checked them.
    training : int [n], optional
        Regions of the samples for training; read with ``composition: remove``, which needs them.
    folder : path
        Gets ``matrix.npy`` [n_regions, n_motifs]; ``motifs.tsv``, one row a column: matrix_id, name, tf_class,
        tf_family, width, threshold, max_possible (natural-log log-odds), reaches_p (false where even the best word is
        likelier than the p-value, see :class:`Scoring`), mean and sd over the regions without NaN, share_hit (share
        of regions with a window that reaches the threshold); and ``motifs.json``. With ``descartes``, threshold and
        max_possible differ between GC bins and stand in ``motifs.json``.

    Raises
    ------
    InputError
        No regions, no bases but N, a region with more hits than uint16 holds, or no space for the matrix.
    """
    folder, kind = Path(folder), settings.matrix
    if sequences.offsets[-1] == 0:
        raise InputError(f"sequences: found {len(sequences)} regions with 0 bases, expected at least one")
    if kind == "descartes":
        settings = replace(settings, source="pwm", pseudocount=1.0, background="regions", p_value=_DESCARTES_P)
    parts = _parts(sequences, settings)

    def score(part: _Part) -> Scoring:
        return score_motifs(motifs, part.background, settings.source, settings.pseudocount, settings.p_value)

    scorings = list(_map(lambda: score, parts, processes))
    total = int(sum(_lengths(sequences, part.regions).sum() for part in parts))
    # Small sets are cut finer, so that no process idles for long.
    chunk_bases = min(_CHUNK_BASES, max(_CHUNK_BASES // 20, total // (4 * processes)))
    if kind != "max_score":
        chunk_bases = min(chunk_bases, max(1, int(_CHUNK_HITS / (2 * len(motifs) * settings.p_value))))
    with atomic_path(folder / "matrix.npy") as temporary:
        _allocate(temporary, (len(sequences), len(motifs)), KINDS[kind])
        chunks = _chunks(sequences, parts, chunk_bases)
        rows_done = _map(lambda: _Worker(sequences, scorings, kind, temporary), chunks, processes)
        hits = _collect(rows_done, total, f"{kind} of {len(motifs)} motifs")
        removed = None
        if settings.composition == "remove":
            removed = remove_composition(np.load(temporary, mmap_mode="r+"), sequences, training)
        mean, sd = _mean_sd(np.load(temporary, mmap_mode="r"))
        digest = hashlib.sha256(np.load(temporary, mmap_mode="r")).hexdigest()
    chance = [
        chance_shares(scoring, settings.p_value, _lengths(sequences, part.regions)).mean() * len(part.regions)
        for part, scoring in zip(parts, scorings, strict=True)
    ]
    table = _table(motifs, scorings, settings).assign(mean=mean, sd=sd, share_hit=hits / len(sequences))
    with atomic_path(folder / "motifs.tsv") as temporary:
        table.to_csv(temporary, sep="\t", index=False)
    info = {
        "kind": kind,
        "regions": len(sequences),
        "motifs": len(motifs),
        "settings": asdict(settings),
        "log": "natural",
        "strands": "both",
        "mean_share_hit": float(table["share_hit"].mean()),
        "chance_share_hit": float(sum(chance) / len(sequences)),
        "composition": removed,
        "unreachable_p": int((~table["reaches_p"]).sum()),
        "genome": sequences.genome,
        "sha256": {
            "matrix": digest,
            "motifs": hashlib.sha256(jaspar_text(motifs).encode()).hexdigest(),
            "sequences": hashlib.sha256(np.ascontiguousarray(sequences.codes)).hexdigest(),
            "offsets": hashlib.sha256(np.ascontiguousarray(sequences.offsets)).hexdigest(),
        },
        "backgrounds": [_background_record(*pair) for pair in zip(parts, scorings, strict=True)],
    }
    write_json(folder / "motifs.json", info)
    logger.info("%d of %d motifs cannot reach p = %g", info["unreachable_p"], len(motifs), settings.p_value)


def load_motif_matrix(folder: str | Path) -> np.ndarray:
    """Memory-map a matrix written by :func:`build_motif_matrix`: [n_regions, n_motifs], of the type in `KINDS`.

    Raises
    ------
    InputError
        Its shape or its type is not what ``motifs.json`` says.
    """
    folder = Path(folder)
    info = read_json(folder / "motifs.json")
    values = np.load(folder / "matrix.npy", mmap_mode="r")
    if values.shape != (info["regions"], info["motifs"]) or values.dtype != KINDS.get(info["kind"]):
        raise InputError(
            f"{folder}: matrix.npy has shape {values.shape} of {values.dtype}, but motifs.json says "
            f"{(info['regions'], info['motifs'])} of kind {info['kind']}; delete the folder and run the rule `motifs` "
            "again"
        )
    return values
