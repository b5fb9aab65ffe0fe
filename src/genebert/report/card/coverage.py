"""How many splice sites, and bases round them, lie with their context in what pre-training has read.

A window is covered where all of its bases lie in regions of training samples, whichever: regions that overlap or touch
are one stretch. So a base is covered if it lies in a stretch that is half the context shorter at either end.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from genebert.corpus.groups import TRAIN, Groups
from genebert.errors import InputError
from genebert.evaluation.site_labels import positions
from genebert.files import write_json
from genebert.genome.intervals import merge_overlapping
from genebert.report.card.leakage import covered_bases, shown_places

logger = logging.getLogger(__name__)
CONTEXTS = (0, 80, 256, 400, 2000)  # those of the paper's Table 4, and the base alone
COLUMNS = ("chrom", "start", "end", "strand", "inside_start", "inside_end", "label")
ROWS = 2048  # blocks read at a time: 10 MB of labels at 5,000 bases
PLACE = ["chrom", "start", "end"]


def stretches(places: pd.DataFrame) -> pd.DataFrame:
    """Return the union of places (chrom, start, end): those that overlap or touch are one, sorted by place."""
    merged = merge_overlapping(places)[0]
    touching = merged["start"].eq(merged["end"].shift()) & merged["chrom"].eq(merged["chrom"].shift())
    first = np.flatnonzero(~touching.to_numpy())
    last = np.append(first[1:], len(merged)) - 1
    found = merged.iloc[first][["chrom", "start"]].reset_index(drop=True)
    return found.assign(end=merged["end"].to_numpy()[last])


def inner(places: pd.DataFrame, context: int) -> pd.DataFrame:
    """Return where bases have half the context on either side within one of the places (chrom, start, end)."""
    half = context // 2
    found = places.assign(start=places["start"] + half, end=places["end"] - half)
    return found[found["start"] < found["end"]]


def _blocks(path: Path) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Yield the evaluated places of some blocks, and the places of their sites (both chrom, start, end)."""
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: cannot be read as parquet ({error}); run the rule of its task again") from error
    if missing := [name for name in COLUMNS if name not in file.schema_arrow.names]:
        raise InputError(f"{path}: has no column {', '.join(missing)}; expected blocks of genes")
    for batch in file.iter_batches(ROWS, columns=list(COLUMNS)):
        labels = batch.column("label")
        values, ends = labels.flatten().to_numpy(), np.cumsum(labels.value_lengths().to_numpy())
        blocks = batch.drop_columns(["label"]).to_pandas()
        at = np.flatnonzero(values > 0)
        row = np.searchsorted(ends, at, side="right")
        base = at - np.append(0, ends)[row]
        here = blocks.iloc[row]
        start = positions(here, base)
        sites = pd.DataFrame({"chrom": here["chrom"].to_numpy(), "start": start, "end": start + 1})
        first, last = (blocks[[name, f"inside_{name}"]] for name in ("start", "end"))
        yield blocks.assign(start=first.max(axis=1), end=last.min(axis=1))[PLACE], sites


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _counts(bases: pd.DataFrame, sites: pd.DataFrame, seen: pd.DataFrame) -> dict[str, Any]:
    """Count the sites and bases that lie in places."""
    found: dict[str, Any] = {}
    for name, places in (("sites", sites), ("bases", bases)):
        number, covered = int((places["end"] - places["start"]).sum()), int(covered_bases(places, seen).sum())
        found |= {name: number, f"{name}_covered": covered, f"share_of_{name}": _share(covered, number)}
    return found


def shown_in_training(
    regions: pd.DataFrame, groups: Groups, region_bp: int | None
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return what training samples show of regions, see :func:`coverage`: :func:`stretches`, and numbers of it."""
    used = np.unique(groups.subset(TRAIN).regions)
    shown = stretches(shown_places(regions, region_bp).iloc[used])
    bases = int((shown["end"] - shown["start"]).sum())
    return shown, {"number": len(used), "bases": bases, "region_bp": region_bp}


def coverage(
    splits: Mapping[str, str | Path], regions: pd.DataFrame, groups: Groups, region_bp: int | None = None
) -> dict[str, Any]:
    """Return how many sites and evaluated bases of a data set pre-training has seen with their context.

    Parameters
    ----------
    splits : dict
        Split (``train``, ``valid``, ``test``) to parquet file with blocks of genes, see :mod:`genebert.tasks.splicing`.
    regions : DataFrame [n_regions]
        Columns chrom, start, end (0-based half-open).
    groups : Groups
        Which regions pre-training uses.
    region_bp : int, optional
        Models are shown only this many bases in the middle of each region.

    Returns
    -------
    dict
        ``regions``: ``number`` and distinct ``bases`` of what training samples show, and `region_bp`. ``contexts``:
        bases of context (half of them on either side), then ``all`` (the splits together) and ``test``, each with
        numbers and shares of sites and bases; shares are None where there is nothing.

    Raises
    ------
    InputError
        A file that cannot be read or holds no blocks of genes.
    """
    seen, about = shown_in_training(regions, groups, region_bp)
    parts = {split: list(zip(*_blocks(Path(path)), strict=True)) for split, path in splits.items()}
    found = {split: [pd.concat(tables, ignore_index=True) for tables in both] for split, both in parts.items()}
    together = [pd.concat(tables, ignore_index=True) for tables in zip(*found.values(), strict=True)]
    wanted = {"all": together, "test": found["test"]}
    contexts = {}
    for context in CONTEXTS:
        places = inner(seen, context)
        contexts[str(context)] = {name: _counts(*tables, places) for name, tables in wanted.items()}
    return {"regions": about, "contexts": contexts}


@dataclass(frozen=True)
class CoverageInputs:
    """Where a run's regions are, and how they are cropped."""

    accessible: str | Path  # ``accessible.h5ad``
    corpus: str | Path  # folder of ``groups.npz``
    region_bp: int | None

    def regions(self) -> pd.DataFrame:
        """Read the places of all regions (chrom, start, end)."""
        import anndata

        var = anndata.read_h5ad(self.accessible, backed="r").var
        return pd.DataFrame({column: var[column].to_numpy() for column in PLACE})


def write_coverage(name: str, splits: Mapping[str, str | Path], inputs: CoverageInputs, out: str | Path) -> None:
    """Write what :func:`coverage` says of a data set (task/data set) as JSON; raises as that."""
    found = coverage(splits, inputs.regions(), Groups.load(inputs.corpus), inputs.region_bp)
    write_json(out, {"data_set": name, **found})
    for context, parts in found["contexts"].items():
        sites = parts["all"]
        logger.info("%s, context %s: %d of %d sites", name, context, sites["sites_covered"], sites["sites"])
