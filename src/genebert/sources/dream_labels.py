"""Check of the label files of the ENCODE-DREAM challenge (docs/facts.md 10)."""

import csv
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.files import open_text
from genebert.genome.bed import numbers
from genebert.genome.builds import BUILD_LENGTHS, NOT_TOLD, builds_with_room, check_regions, normalise_names
from genebert.genome.chromosomes import by_rank
from genebert.genome.tables import refuse
from genebert.sources.registry import BUILD

logger = logging.getLogger(__name__)
COORDINATES = ("chr", "start", "stop")
LABELS = ("B", "U", "A")  # bound, unbound, ambiguous
WIDTH = 200
STEP = 50
HELD_OUT = ("chr1", "chr8", "chr21")
# Factor: cell types of the 13 final sets.
FINAL_SETS = {
    "CTCF": ("PC-3", "induced_pluripotent_stem_cell"),
    "E2F1": ("K562",),
    "EGR1": ("liver",),
    "FOXA1": ("liver",),
    "FOXA2": ("liver",),
    "GABPA": ("liver",),
    "HNF4A": ("liver",),
    "JUND": ("liver",),
    "MAX": ("liver",),
    "NANOG": ("induced_pluripotent_stem_cell",),
    "REST": ("liver",),
    "TAF1": ("liver",),
}
_CHUNK = 1 << 18  # lines


def _read_header(path: Path, cells: tuple[str, ...]) -> list[str]:
    with open_text(path) as handle:
        names = handle.readline(1 << 16).rstrip("\n").split("\t")
    if tuple(names[:3]) != COORDINATES or len(names) < 4 or len(set(names)) < len(names) or "" in names:
        raise InputError(
            f"{path}, line 1: found the columns {', '.join(names)[:200]}; expected chr, start, stop and one column for "
            "each cell type, separated by tabs"
        )
    missing = [cell for cell in cells if cell not in names]
    if missing:
        raise InputError(
            f"{path}, line 1: found the cell types {', '.join(names[3:])}; expected {' and '.join(cells)} among them"
        )
    return names


class _Windows:
    """What is counted, and what must be remembered from one chunk of lines to the next."""

    def __init__(self, path: Path, cells: list[str]):
        self.path = path
        self.labels = {cell: Counter(dict.fromkeys(LABELS, 0)) for cell in cells}
        self.windows: Counter[str] = Counter()  # by chromosome
        self.largest: dict[str, int] = {}
        self.regular = 0
        self.last: tuple[str, int] | None = None

    def add(self, chunk: pd.DataFrame) -> None:
        """Check and count the next lines, whose numbers are the index."""
        start, stop = (numbers(chunk[column], self.path, column) for column in ("start", "stop"))
        width = pd.Series(stop - start, chunk.index)
        refuse(chunk["chr"] == "", chunk["chr"], self.path, "chr", "a chromosome")
        refuse(start < 0, chunk["start"], self.path, "start", "0 or more")
        refuse(width != WIDTH, width, self.path, "the width of the window", f"{WIDTH} bp")
        for cell, counts in self.labels.items():
            refuse(~chunk[cell].isin(LABELS), chunk[cell], self.path, f"the label of {cell}", "B, U or A")
            counts.update(chunk[cell].value_counts().to_dict())
        if len(chunk):
            self._order(chunk["chr"], start, stop)

    def _order(self, names: pd.Series, start: np.ndarray, stop: np.ndarray) -> None:
        """Check chromosomes and steps between windows; count windows."""
        normal = normalise_names(names.cat.categories, BUILD, str(self.path))
        codes = names.cat.codes.to_numpy()
        first = np.concatenate(([0], np.flatnonzero(np.diff(codes)) + 1, [len(codes)]))
        steps = np.diff(start, prepend=start[0])
        new = np.zeros(len(start), dtype=bool)
        for low, high in zip(first[:-1].tolist(), first[1:].tolist(), strict=True):
            chrom = normal[names.cat.categories[codes[low]]]
            if self.last and self.last[0] == chrom:
                steps[low] = start[low] - self.last[1]
            else:
                new[low] = True
                if chrom in self.windows:
                    raise InputError(
                        f"{self.path}: line {names.index[low]}: {chrom} begins a second time, expected all its windows "
                        "together"
                    )
                logger.info("%s: %s begins at line %d", self.path.name, chrom, names.index[low])
            self.windows[chrom] += high - low
            self.largest[chrom] = max(self.largest.get(chrom, 0), int(stop[low:high].max()))
            self.last = (chrom, int(start[high - 1]))
        found = pd.Series(steps, names.index)
        refuse((steps < STEP) & ~new, found, self.path, "the step to this window", f"{STEP} bp or more")
        self.regular += int(((steps == STEP) & ~new).sum())

    def record(self) -> dict[str, Any]:
        """Return what is recorded of the whole file; refuse it without windows, or with too few of them every 50 bp."""
        if not self.windows:
            raise InputError(f"{self.path}: found a header but no window, expected windows of {WIDTH} bp")
        steps = self.windows.total() - len(self.windows)
        if 2 * self.regular < steps:
            raise InputError(
                f"{self.path}: {self.regular} of {steps} windows begin {STEP} bp after the one before, expected most"
            )
        ends = pd.DataFrame({"chrom": self.largest.keys(), "end": self.largest.values()})
        check_regions(ends.assign(start=ends["end"] - WIDTH), BUILD_LENGTHS[BUILD], str(self.path), BUILD)
        fitting = builds_with_room(self.largest)
        counts = {
            "windows": self.windows.total(),
            "gaps": steps - self.regular,
            "chromosomes": {chrom: self.windows[chrom] for chrom in by_rank(self.windows)},
            "labels": self.labels,
            "held_out": {
                "chromosomes": list(HELD_OUT),
                "present": [chrom for chrom in HELD_OUT if chrom in self.windows],
                "status": "unconfirmed",
            },
        }
        told = BUILD if fitting == [BUILD] else NOT_TOLD
        return {"build": told, "evidence": {"windows_inside_chromosomes_of": fitting}, "counts": counts}


def _filled(chunk: pd.DataFrame) -> pd.DataFrame:
    """Return the lines that are not blank."""
    nameless = chunk["chr"].str.strip() == ""
    if not nameless.any():
        return chunk
    kept = chunk[~(nameless & (chunk["start"].astype(str) == ""))]
    return kept.assign(**{name: kept[name].cat.remove_unused_categories() for name in kept.select_dtypes("category")})


def check_labels(path: Path, *, cells: tuple[str, ...] = ()) -> dict[str, Any]:
    """Check one label file and count its windows and labels; memory does not grow with the file.

    `cells` are cell types that must be among the columns. The build is told where only it has room for all windows.
    """
    names = _read_header(path, cells)
    windows = _Windows(path, names[3:])
    types = {"chr": "category"} | dict.fromkeys(names[3:], "category")
    with open_text(path) as handle:
        try:
            chunks = pd.read_csv(
                handle, sep="\t", header=0, names=names, dtype=types, chunksize=_CHUNK, quoting=csv.QUOTE_NONE,
                na_filter=False, skip_blank_lines=False, low_memory=False,
            )  # fmt: skip
            for chunk in chunks:
                if not isinstance(chunk.index, pd.RangeIndex):
                    raise InputError(f"{path}: lines have more columns than the header, which has {len(names)}")
                windows.add(_filled(chunk.set_axis(chunk.index + 2)))
        except pd.errors.ParserError as error:
            raise InputError(f"{path}: not a table of {len(names)} columns ({str(error).strip()})") from error
    return windows.record()
