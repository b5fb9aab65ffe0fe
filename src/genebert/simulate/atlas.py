"""Accessibility, cells and counts, and the files of the whole atlas."""

import gzip
import io
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import io as scipy_io
from scipy import sparse

from genebert.files import atomic_path, write_json
from genebert.genome.bases import decode
from genebert.genome.intervals import region_names
from genebert.motifs.jaspar import Motif
from genebert.settings.data import SimulationSettings
from genebert.simulate.ctcf import PEAK_FILES, ctcf_truth, draw_peaks, narrow_peaks, plant_ctcf
from genebert.simulate.genes import plant_genes
from genebert.simulate.landscape import Planter, Sequence, background, layout_regions, plant_programs, stream
from genebert.simulate.programs import HOUSEKEEPING, programs_in_use
from genebert.simulate.promoters import ELEMENTS, choose_start_sites, epd_bed, write_promoters

logger = logging.getLogger(__name__)


def _open_in(settings: SimulationSettings, regions: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Return which regions are open in which cell types (bool [n_regions, n_types])."""
    program, types = regions["program"].to_numpy(), np.arange(settings.n_cell_types)
    related = rng.random(len(program)) < 0.4
    is_own, is_related = program[:, None] == types, (program[:, None] ^ 1) == types
    everywhere = (program[:, None] == -1) & (rng.random((len(program), len(types))) < 0.95)
    return is_own | everywhere | (is_related & related[:, None] & (program[:, None] >= 0))


def _cells(settings: SimulationSettings, names: list[str], rng: np.random.Generator) -> pd.DataFrame:
    """Draw the cells: unequal numbers per type, random order, columns as in the Descartes metadata."""
    sizes = np.maximum(10, (settings.cells_per_type * rng.lognormal(-0.05, 0.3, len(names))).round().astype(int))
    cell_type = rng.permuted(np.repeat(names, sizes))
    donor = rng.integers(0, 4, len(cell_type))
    return pd.DataFrame({
        "cell": [decode(barcode) for barcode in rng.integers(0, 4, (len(cell_type), 40))],
        "cell_type": cell_type,
        "tissue": "cerebrum",
        "donor_id": [f"SIM{number:05d}" for number in 10000 + donor],
        "sex": np.array(["F", "M", "F", "M"])[donor],
        "day_of_pregnancy": np.array([91, 110, 115, 122])[donor],
        "batch": "simulated",
    })  # fmt: skip


def _counts(
    settings: SimulationSettings, opened: np.ndarray, names: list[str], cells: pd.DataFrame, rng: np.random.Generator
) -> sparse.coo_matrix:
    """Draw Poisson counts (int [n_regions, n_cells]) with a strength for each region and a depth for each cell."""
    column = pd.Index(names).get_indexer(cells["cell_type"])
    strength = rng.lognormal(-0.125, 0.5, len(opened))
    depth = rng.gamma(4, 0.25, len(cells))
    rate = np.where(opened, settings.fragments_per_cell, settings.noise) * strength[:, None]
    return sparse.coo_matrix(rng.poisson(rate[:, column] * depth))


def _write(path: Path, data: bytes) -> None:
    """Write a file, compressed if its name says so."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(data, compresslevel=5, mtime=0) if path.suffix == ".gz" else data)


def _table(path: Path, table: pd.DataFrame, **form: Any) -> None:
    """Write a table, with tabs unless `form`, options of pandas, says otherwise."""
    _write(path, table.to_csv(index=False, **{"sep": "\t", "lineterminator": "\n", **form}).encode())


def _fasta(sequence: Sequence, rng: np.random.Generator) -> bytes:
    """Return FASTA with lines of 60 and about a quarter of the bases in lower case."""
    letters = np.frombuffer(b"ACGTN", dtype=np.uint8)[sequence.codes]
    starts = rng.integers(0, len(letters), len(letters) // 1200)
    edges = np.zeros(len(letters) + 1, dtype=np.int64)
    np.add.at(edges, starts, 1)
    np.add.at(edges, np.minimum(starts + rng.integers(50, 650, len(starts)), len(letters)), -1)
    masked = (np.cumsum(edges[:-1]) > 0) & (letters != ord("N"))
    letters = letters + np.where(masked, 32, 0).astype(np.uint8)
    parts = []
    for name, start, stop in zip(sequence.chroms, sequence.offsets[:-1], sequence.offsets[1:], strict=True):
        text = letters[start:stop].tobytes()
        parts.append(b">" + name.encode() + b"\n")
        parts.extend(text[i : i + 60] + b"\n" for i in range(0, len(text), 60))
    return b"".join(parts)


def _contains(regions: pd.DataFrame, positions: np.ndarray) -> np.ndarray:
    """Say (0/1) which regions hold one of the sorted positions."""
    inside = np.searchsorted(positions, regions["global_end"]) > np.searchsorted(positions, regions["global_start"])
    return inside.astype(int)


def _sites(planted: list[tuple], sequence: Sequence, regions: pd.DataFrame) -> pd.DataFrame:
    """Return all planted instances by place, with the region that holds them (`.` outside)."""
    columns = ["start", "end", "strand", "matrix_id", "name", "sequence", "planted_for"]
    sites = pd.DataFrame(planted, columns=columns).sort_values("start", ignore_index=True)
    index = np.searchsorted(regions["global_start"].to_numpy(), sites["start"].to_numpy(), side="right") - 1
    inside = (index >= 0) & (sites["end"].to_numpy() <= regions["global_end"].to_numpy()[index])
    sites["region"] = np.where(inside, regions["name"].to_numpy()[index], ".")
    chrom, start = sequence.place(sites["start"].to_numpy())
    sites["end"] += start - sites["start"]
    sites["start"] = start
    sites.insert(0, "chrom", np.array(sequence.chroms)[chrom])
    return sites


def _make_genome(
    settings: SimulationSettings, motifs: list[Motif], programs: list[tuple[str, ...]], streams: list
) -> tuple[Sequence, pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, pd.DataFrame]]:
    """Lay out regions, draw bases, and plant promoters, programs and CTCF sites, each with its stream.

    Returned are the sequence, regions, promoters (with the flags of EPD's element table), all planted instances, the
    places of CTCF, and the peaks of each cell line.
    """
    bases, plants, binding = streams
    regions = layout_regions(settings)
    sequence = background(settings, regions, bases)
    first = regions["chrom"].map(dict(zip(sequence.chroms, sequence.offsets, strict=False))).to_numpy()
    regions["global_start"], regions["global_end"] = regions["start"] + first, regions["end"] + first
    regions["name"] = region_names(regions)
    planter = Planter(sequence, motifs, plants)
    promoters = choose_start_sites(settings, regions, sequence, plants)
    flags = write_promoters(promoters, planter)
    plant_programs(settings, regions, programs, planter)
    binder = Planter(sequence, motifs, binding)  # last, so that only the bases of its own sites change
    places = plant_ctcf(settings, regions, promoters, binder)
    peaks = draw_peaks(settings, places, binding)
    chrom, position = sequence.place(promoters["tss"].to_numpy())
    promoters = pd.concat([promoters.assign(chrom=np.array(sequence.chroms)[chrom], position=position), flags], axis=1)
    promoters["name"] = [f"SIM{number:05d}_1" for number in range(1, len(promoters) + 1)]
    return sequence, regions, promoters, _sites(planter.sites + binder.sites, sequence, regions), places, peaks


def simulate(settings: SimulationSettings, motifs: list[Motif], folder: str | Path) -> dict:
    """Write a toy atlas: genome, counts, cells, promoters, and the truth behind them.

    The files are ``genome.fa.gz``; ``matrix.mtx.gz`` (peaks x cells), ``peaks.bed``, ``cells.tsv``; ``blacklist.bed``;
    ``epdnew.bed`` and ``promoter_motifs.txt``; ``tfbs/``, CTCF peaks in the form and under the names of UCSC's uniform
    TFBS (:data:`~genebert.simulate.ctcf.PEAK_FILES`); ``canonical_dataset.txt``, genes in SpliceAI's form;
    ``truth.json``, ``truth_regions.tsv`` (program, domain and cell types of each region), ``truth_sites.tsv`` (every
    planted motif instance: place, strand, sequence as read on its strand) and ``truth_splice.tsv`` (the same of splice
    sites, branch points and decoys). Equal settings and motifs give equal bytes. Returned is the content of
    ``truth.json``.

    Raises
    ------
    InputError
        A factor without a motif, or chromosomes too short for regions, promoters, CTCF sites or genes.
    """
    folder = Path(folder)
    programs = programs_in_use(settings, motifs)
    names = list(programs)
    bases, plants, reads, files, binding = (stream(settings, part) for part in range(1, 6))
    sequence, regions, promoters, sites, places, peaks = _make_genome(
        settings, motifs, list(programs.values()), [bases, plants, binding]
    )
    # Last, and from a stream of their own: only bases between all that was planted before change.
    genes = plant_genes(settings, sequence, promoters, places["centre"].to_numpy(), stream(settings, 6))
    opened = _open_in(settings, regions, reads)
    cells = _cells(settings, names, reads)
    counts = _counts(settings, opened, names, cells, reads)
    blacklist = regions.iloc[np.sort(files.choice(len(regions), min(3, len(regions)), replace=False))]

    _write(folder / "genome.fa.gz", _fasta(sequence, files))
    buffer = io.BytesIO()
    scipy_io.mmwrite(buffer, counts, field="integer", symmetry="general")
    _write(folder / "matrix.mtx.gz", buffer.getvalue())
    _table(folder / "peaks.bed", regions[["chrom", "start", "end"]], header=False)
    _table(folder / "cells.tsv", cells)
    _table(folder / "blacklist.bed", blacklist[["chrom", "start", "end"]], header=False)
    _table(folder / "epdnew.bed", epd_bed(promoters), sep=" ", header=False)
    _table(folder / "promoter_motifs.txt", promoters.rename(columns={"name": "#Name"})[["#Name", *ELEMENTS]])
    for name, table in peaks.items():
        path = folder / "tfbs" / PEAK_FILES[name]
        _table(path, narrow_peaks(table, sequence), header=False, float_format="%.6f")

    _table(folder / "canonical_dataset.txt", genes.table, header=False)

    labels = np.array(["house-keeping", *names])
    truth_regions = regions[["name", "chrom", "start", "end", "domain"]].assign(
        program=labels[regions["program"] + 1],
        open_in=[";".join(np.array(names)[row]) for row in opened],
        has_promoter=_contains(regions, promoters["tss"].to_numpy()),
    )
    _table(folder / "truth_regions.tsv", truth_regions)
    _table(folder / "truth_sites.tsv", sites)
    _table(folder / "truth_splice.tsv", genes.sites)
    truth = {
        "simulated": True,
        "settings": asdict(settings),
        "cell_types": {
            name: {
                "factors": list(programs[name]),
                "cells": int((cells["cell_type"] == name).sum()),
                "open_regions": int(opened[:, i].sum()),
            }
            for i, name in enumerate(names)
        },
        "housekeeping_factors": list(HOUSEKEEPING),
        "regions": len(regions),
        "domains": int(regions["domain"].nunique()),
        "fragments": int(counts.sum()),
        "non_zeros": int(counts.nnz),
        "planted_motifs": len(sites),
        "promoters": len(promoters),
        "promoters_with_tata_box": int(promoters["tata"].sum()),
        "ctcf": ctcf_truth(places, peaks),
        "splicing": genes.truth,
    }
    write_json(folder / "truth.json", truth)
    logger.info("%s: %d regions, %d cells, %d promoters simulated", folder, len(regions), len(cells), len(promoters))
    return truth
