"""Region filters, and the accessibility stage as a whole."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from genebert.accessibility.matrices import read_matrix
from genebert.accessibility.pseudobulk import PseudoBulk, binarise, pseudobulk_from_beds, pseudobulk_from_matrix
from genebert.accessibility.windows import cut_into_windows
from genebert.errors import InputError
from genebert.files import atomic_path, write_json
from genebert.genome.bed import read_bed
from genebert.genome.builds import check_build, past_end
from genebert.genome.fasta import Genome
from genebert.genome.intervals import merge_overlapping, overlapping, region_names, sort_regions
from genebert.paper import PAPER
from genebert.settings.data import AccessibilitySettings

logger = logging.getLogger(__name__)


def _filter_regions(
    regions: pd.DataFrame,
    accessible: np.ndarray,
    genome: Genome,
    chromosomes: list[str],
    blacklist: pd.DataFrame | None,
    settings: AccessibilitySettings,
    where: str,
) -> tuple[np.ndarray, list[dict]]:
    """Choose the regions that are used, sorted by chromosome, start and end.

    `accessible` is bool [n_types, n_regions]. Returned are positions in `regions` (int64 [n_kept]), and what each step
    has dropped; a step that leaves no region is bad input.
    """
    steps: list[dict] = []
    kept = np.arange(len(regions))

    def keep(step: str, mask: np.ndarray, why: str) -> None:
        nonlocal kept
        before, kept = len(kept), kept[mask]
        steps.append({"step": step, "dropped": before - len(kept), "left": len(kept), "why": why})
        logger.info("%s: %d regions dropped (%s), %d left", where, before - len(kept), why, len(kept))
        if not len(kept):
            found = ", ".join(regions["chrom"].unique()[:5])
            raise InputError(f"{where}: no region is left of {before} after dropping those {why} (input: {found} ...)")

    keep("chromosomes", regions["chrom"].isin(chromosomes).to_numpy(), f"not on {', '.join(chromosomes)}")
    keep("beyond_end", past_end(regions.iloc[kept], genome.lengths) <= 0, "ending beyond their chromosome")
    keep("accessible", accessible[:, kept].any(axis=0), "accessible in no cell type")
    if blacklist is not None:
        name = Path(settings.blacklist).name
        keep("blacklist", ~overlapping(regions.iloc[kept], blacklist), f"overlapping the blacklist {name}")
    kept = kept[sort_regions(regions.iloc[kept])]
    chosen = regions.iloc[kept]
    unknown, lengths = genome.count_n(chosen), (chosen["end"] - chosen["start"]).to_numpy()
    all_n = int((unknown == lengths).sum())
    if all_n:
        logger.warning(
            "%s: %d accessible regions are N from end to end, where no read can be aligned; are these coordinates of "
            "another genome build?", where, all_n,
        )  # fmt: skip
    limit = settings.max_n_fraction
    keep("n_fraction", unknown / lengths <= limit, f"with a share of N above {limit:g}")
    steps[-1]["all_n"] = all_n
    return kept, steps


def _var_table(regions: pd.DataFrame) -> pd.DataFrame:
    """Regions as AnnData keeps them: named chr1-752336-752980."""
    # anndata 0.12 cannot write the Arrow strings that pandas 3 makes of names, hence object throughout.
    codes, chroms = pd.factorize(regions["chrom"])
    chroms = pd.Categorical.from_codes(codes, pd.Index(chroms, dtype=object))
    columns = {"chrom": chroms, "start": regions["start"].to_numpy(), "end": regions["end"].to_numpy()}
    return pd.DataFrame(columns, index=pd.Index(region_names(regions), dtype=object))


def _write_anndata(path: str | Path, matrix, obs: pd.DataFrame, var: pd.DataFrame, build: str) -> None:
    from anndata import AnnData

    with atomic_path(path) as temporary:
        AnnData(X=matrix, obs=obs, var=var, uns={"genome": build}).write_h5ad(temporary)


def load_regions(path: str | Path) -> pd.DataFrame:
    """Return the regions (columns chrom, start, end) of ``accessible.h5ad`` or ``pseudobulk.h5ad``."""
    import h5py
    from anndata.io import read_elem

    with h5py.File(path, "r") as file:
        var = read_elem(file["var"])
    return var[["chrom", "start", "end"]].reset_index(drop=True).astype({"chrom": str})


def _load(
    settings: AccessibilitySettings, lengths: dict[str, int], build: str, chromosomes: list[str]
) -> tuple[PseudoBulk, pd.DataFrame | None]:
    """Read the inputs of any format and the blacklist, check their build, and sum."""

    def read(path: str | Path) -> pd.DataFrame:
        regions = read_bed(path)
        check_build(regions, lengths, str(path), build, chromosomes)
        return regions

    blacklist = None if settings.blacklist is None else read(settings.blacklist)
    if settings.format == "bed":
        peaks = {name: read(path) for name, path in settings.beds.items()}
        return pseudobulk_from_beds(peaks, lengths), blacklist
    matrix = read_matrix(settings)
    check_build(matrix.regions, lengths, matrix.where, build, chromosomes, matrix.stated)
    detected = settings.binarise == "min_fraction"
    return pseudobulk_from_matrix(matrix, settings.min_cells, detected=detected), blacklist


def _cut(bulk: PseudoBulk, size: int | None, where: str) -> tuple[PseudoBulk, np.ndarray, list[dict]]:
    """Return windows in place of regions where that is asked for, the region that each is of, and what was dropped."""
    if size is None:
        return bulk, np.arange(len(bulk.regions)), []
    windows, region_of = cut_into_windows(bulk, size, where)
    short = int((bulk.regions["end"] - bulk.regions["start"] < size).sum())
    why = f"shorter than a window of {size} bases; the others are cut up"
    return windows, region_of, [{"step": "windows", "dropped": short, "left": len(windows.regions), "why": why}]


def _numbers(read: PseudoBulk, obs: pd.DataFrame, regions: pd.DataFrame) -> dict:
    """Return what the summary says of the cell types as they were read, and of the regions that are left."""
    union = merge_overlapping(regions)[0]
    return {
        "cell_types": {
            name: {
                "cells": None if read.n_cells is None else int(read.n_cells[i]),
                "fragments": int(obs["n_fragments"].iloc[i]),
                "fragments_input": int(read.counts[i].sum()),
                "accessible_regions": int(obs["n_accessible"].iloc[i]),
            }
            for i, name in enumerate(read.types)
        },
        "regions": len(regions),
        "base_pairs": int((regions["end"] - regions["start"]).sum()),
        "base_pairs_covered": int((union["end"] - union["start"]).sum()),
        "accessible_pairs": int(obs["n_accessible"].sum()),
        "input_regions": len(read.regions),
    }


def build_accessibility(
    settings: AccessibilitySettings,
    genome_fasta: str | Path,
    build: str,
    chromosomes: list[str],
    folder: str | Path,
) -> dict:
    """Make the summed and the binary matrix of regions x cell types from single-cell ATAC data.

    Parameters
    ----------
    genome_fasta : path
        As :func:`genebert.genome.fasta.prepare_genome` writes it.
    build : str
        Name of the genome build, ``hg19``.
    chromosomes : list of str
        Chromosomes to keep, ``chr20``; all must be in the genome.
    folder : path
        Gets ``pseudobulk.h5ad`` and ``accessible.h5ad``, cell types x regions, the same regions in both, sorted, and
        ``summary.json``, whose content is returned. X is CSR: summed counts (int32, int64 if a sum needs it), and uint8
        ones. obs has n_cells (missing for BED), n_fragments (sum of the regions' counts; for BED the number of peaks)
        and n_accessible; var has chrom, start and end; ``uns["genome"]`` is `build`.
    """
    genome, folder = Genome(genome_fasta), Path(folder)
    absent = [name for name in chromosomes if name not in genome.lengths]
    if absent:
        raise InputError(f"{genome_fasta}: has no chromosome {', '.join(absent)}; it holds {', '.join(genome.lengths)}")
    is_bed = settings.format == "bed"
    where = "BED peaks" if is_bed else str(settings.matrix)
    min_fraction = settings.min_fraction if settings.binarise == "min_fraction" else None
    bulk, blacklist = _load(settings, genome.all_lengths, build, chromosomes)
    read, (bulk, region_of, cut) = bulk, _cut(bulk, settings.windows_bp, where)
    accessible = binarise(bulk, min_fraction)
    kept, steps = _filter_regions(bulk.regions, accessible, genome, chromosomes, blacklist, settings, where)
    regions = bulk.regions.iloc[kept]
    counts, binary = bulk.counts[:, kept], accessible[:, kept].astype(np.uint8)
    counts = sp.csr_matrix(counts.astype(np.int32 if counts.max() <= np.iinfo(np.int32).max else np.int64))
    obs = pd.DataFrame(
        {
            "n_cells": pd.array([pd.NA] * len(bulk.types), "Int64") if bulk.n_cells is None else bulk.n_cells,
            # All windows of a region have its counts.
            "n_fragments": read.counts[:, np.unique(region_of[kept])].sum(axis=1),
            "n_accessible": accessible[:, kept].sum(axis=1),
        },
        index=pd.Index(bulk.types, dtype=object),
    )
    summary = {
        "format": settings.format,
        "genome": build,
        "chromosomes": list(chromosomes),
        "group_by": None if is_bed else settings.group_by,
        "binarise": settings.binarise,
        "min_fraction": min_fraction,
        "windows_bp": settings.windows_bp,
        **_numbers(read, obs, regions),
        "dropped_regions": [*cut, *steps],
        "dropped_cell_types": {
            name: {"cells": cells, "why": f"fewer than {settings.min_cells} cells"}
            for name, cells in bulk.dropped_types.items()
        },
        "cells_without_type": bulk.untyped_cells,
        "paper": PAPER,
    }
    _report(summary, where)
    var = _var_table(regions)
    _write_anndata(folder / "pseudobulk.h5ad", counts, obs, var, build)
    _write_anndata(folder / "accessible.h5ad", sp.csr_matrix(binary), obs, var, build)
    write_json(folder / "summary.json", summary)
    return summary


def _report(summary: dict, where: str) -> None:
    for name, row in summary["cell_types"].items():
        what = "peaks" if row["cells"] is None else f"fragments of {row['cells']} cells"
        logger.info("%s: %d %s, %d accessible regions", name, row["fragments"], what, row["accessible_regions"])
        if not row["accessible_regions"]:
            logger.warning("%s: cell type %r has no accessible region left", where, name)
    for name, row in summary["dropped_cell_types"].items():
        logger.info("%s: dropped, %d cells (%s)", name, row["cells"], row["why"])
    if summary["cells_without_type"]:
        logger.info("%s: %d cells without a type left out", where, summary["cells_without_type"])
    logger.info(
        "%d cell types, %d regions, %d bp (the paper: %d, %d and %d)",
        len(summary["cell_types"]), summary["regions"], summary["base_pairs"],
        PAPER["cell_types"], PAPER["regions"], PAPER["base_pairs"],
    )  # fmt: skip
