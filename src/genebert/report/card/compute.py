"""What a run's pre-training data are, where they come from, and what was dropped on the way."""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from math import isclose
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from genebert.corpus.groups import TRAIN, Groups
from genebert.errors import InputError
from genebert.files import sha256
from genebert.genome.bases import reverse_complement
from genebert.genome.builds import BUILD_LENGTHS
from genebert.genome.intervals import merge_overlapping
from genebert.genome.sequences import RegionSequences
from genebert.paper import PAPER, PAPER_GENOME, PAPER_SEQUENCES
from genebert.report.card.leakage import leakage
from genebert.report.card.parts import CardInputs, Parts, check_parts, read_parts

logger = logging.getLogger(__name__)

# docs/facts.md 33: p-value to (mean motifs hit a region, share of ones).
EXPECTED_MOTIFS = {1e-4: (52.4, 0.090), 1e-5: (9.1, 0.016), 1e-7: (4.5, 0.008)}
EXPECTED_FOR = (
    "random sequences of 505 bp, 579 motifs scored from counts, background .3/.2/.2/.3, pseudocount 1, both strands"
)
PERCENTILES = (5, 25, 50, 75, 95)
LENGTH_STEP, LENGTH_STEPS = 50, 40
_BLOCK_REGIONS = 1 << 14


@dataclass(frozen=True)
class CardSettings:
    """What the card says of the run, and how regions are cropped.

    Attributes
    ----------
    run, scale : str
        Printed at the top of the page.
    notes : tuple of str
    region_bp : int, optional
        Models are shown only so many bases in the middle of each region.
    motif_region_bp : int, optional
        Only so many bases were scanned for motifs.
    """

    run: str
    scale: str
    notes: tuple[str, ...] = ()
    region_bp: int | None = None
    motif_region_bp: int | None = None


def sharing(accessible: sp.csr_matrix, names: list[str]) -> dict:
    """Compare the accessible regions of all pairs of cell types.

    Parameters
    ----------
    accessible : binary CSR [n_types, n_regions]
    names : list of str

    Returns
    -------
    dict
        ``cell_types``; ``regions_open_in``: number of regions open in exactly 1, 2, ..., all types; ``only_here``: for
        each type its regions open in no other; ``shared`` and ``jaccard`` [n_types, n_types] (None where both types
        have no region); ``pairs``: all pairs of types by falling Jaccard index.
    """
    open_ = sp.csr_matrix(accessible, dtype=np.int64)
    types_open = np.bincount(open_.indices, minlength=open_.shape[1])
    shared = (open_ @ open_.T).toarray()
    sizes = shared.diagonal()
    union = sizes[:, None] + sizes[None, :] - shared
    jaccard = [
        [round(int(s) / int(u), 6) if u else None for s, u in zip(*rows, strict=True)]
        for rows in zip(shared, union, strict=True)
    ]
    pairs = [
        {"cell_types": [names[i], names[j]], "shared": int(shared[i, j]), "jaccard": jaccard[i][j]}
        for i in range(len(names))
        for j in range(i + 1, len(names))
        if jaccard[i][j] is not None
    ]
    type_of = np.repeat(np.arange(len(names)), np.diff(open_.indptr))
    return {
        "cell_types": names,
        "regions_open_in": np.bincount(types_open, minlength=len(names) + 1)[1:].tolist(),
        "only_here": np.bincount(type_of[types_open[open_.indices] == 1], minlength=len(names)).tolist(),
        "shared": shared.tolist(),
        "jaccard": jaccard,
        "pairs": sorted(pairs, key=lambda pair: -pair["jaccard"]),
    }


def region_lengths(lengths: np.ndarray) -> dict:
    """Return minimum, percentiles, maximum, mean and a histogram (steps of 50 bp; longer ones in one count)."""
    steps = np.bincount(np.minimum(lengths // LENGTH_STEP, LENGTH_STEPS), minlength=LENGTH_STEPS + 1)
    return {
        "min": int(lengths.min()),
        **{f"p{p}": float(value) for p, value in zip(PERCENTILES, np.percentile(lengths, PERCENTILES), strict=True)},
        "max": int(lengths.max()),
        "mean": round(float(lengths.mean()), 3),
        "histogram": {
            "edges": [LENGTH_STEP * i for i in range(LENGTH_STEPS + 1)],
            "counts": steps[:-1].tolist(),
            "at_least_last_edge": int(steps[-1]),
        },
    }


def count_identical(sequences: RegionSequences) -> dict[str, int]:
    """Count different region sequences, as they stand and with both strands taken as one.

    Returns
    -------
    dict
        ``regions``, ``different``, ``different_up_to_strand``, and ``in_repeats`` and ``in_repeats_up_to_strand``: the
        regions whose sequence another region has too.
    """
    # Digests instead of the sequences themselves, which would take a gigabyte at full size.
    forward: Counter[bytes] = Counter()
    either: Counter[bytes] = Counter()
    for first in range(0, len(sequences), _BLOCK_REGIONS):
        offsets = sequences.offsets[first : first + _BLOCK_REGIONS + 1] - sequences.offsets[first]
        codes = sequences.codes[sequences.offsets[first] : sequences.offsets[first] + offsets[-1]]
        block, opposite, n = codes.tobytes(), reverse_complement(codes).tobytes(), len(codes)
        for a, b in pairwise(offsets.tolist()):
            bases = block[a:b]
            forward[blake2b(bases, digest_size=16).digest()] += 1
            either[blake2b(min(bases, opposite[n - b : n - a]), digest_size=16).digest()] += 1
    result = {"regions": len(sequences)}
    for suffix, times in (("", forward), ("_up_to_strand", either)):
        result |= {f"different{suffix}": len(times), f"in_repeats{suffix}": sum(n for n in times.values() if n > 1)}
    return result


def duplicates(groups: Groups, sequences: RegionSequences, pairs: int) -> dict:
    """Count what comes more than once: regions in several types, identical sequences, identical groups.

    Parameters
    ----------
    groups : Groups
    sequences : RegionSequences
    pairs : int
        (region, cell type) pairs.
    """
    rows = pd.DataFrame(groups.subset(TRAIN).regions)
    repeated = int(rows.duplicated(keep=False).sum())
    return {
        "pairs": pairs,
        "regions": len(sequences),
        "pairs_per_region": round(pairs / len(sequences), 4),
        "paper_pairs": PAPER["cell_types"] * PAPER["regions"],
        "paper_sequences": PAPER_SEQUENCES,
        "sequences": count_identical(sequences),
        "groups": {
            "groups": len(rows),
            "different": int((~rows.duplicated()).sum()),
            "same_regions_in_several_types": repeated,
            "share": round(repeated / len(rows), 6),
        },
    }


def motif_density(info: dict, region_bp: int | None) -> dict:
    """Return how many motifs hit a region, beside what random sequence of the same p-value gives."""
    p = info["settings"]["p_value"]
    expected = next((value for known, value in EXPECTED_MOTIFS.items() if isclose(p, known)), None)
    return {
        "kind": info["kind"],
        "motifs": info["motifs"],
        "p_value": p,
        "release": info["settings"]["release"],
        "region_bp": region_bp,
        "motifs_hit_per_region": round(info["mean_share_hit"] * info["motifs"], 4),
        "share_of_ones": round(info["mean_share_hit"], 6),
        "motifs_that_cannot_reach_p": info["unreachable_p"],
        "expected": expected
        and {"motifs_hit_per_region": expected[0], "share_of_ones": expected[1], "holds_for": EXPECTED_FOR},
    }


def genome_share(regions: pd.DataFrame, genome: dict, n_bases: int) -> dict:
    """Return the bases that the regions cover, as a share of the run's chromosomes."""
    union = merge_overlapping(regions)[0]
    covered, length = int((union["end"] - union["start"]).sum()), sum(genome["lengths"].values())
    paper_length = sum(length for name, length in BUILD_LENGTHS["hg19"].items() if name != "chrY")
    return {
        "build": genome["build"],
        "chromosomes": list(genome["lengths"]),
        "bases": length,
        "regions_bases": int((regions["end"] - regions["start"]).sum()),
        "covered_bases": covered,
        "share": round(covered / length, 6),
        "n_bases_in_regions": n_bases,
        "paper": {
            "regions_bases": PAPER["base_pairs"],
            "share": round(PAPER["base_pairs"] / paper_length, 6),
            "of": PAPER_GENOME,
        },
    }


def paper_comparison(regions: int, bases: int, types: int, pairs: int, sample_bases: float, per_sample: int) -> dict:
    """Return the paper's figures beside the run's (docs/facts.md 22, 23)."""
    paper_mean = PAPER["base_pairs"] / PAPER["regions"]
    rows = {
        "cell_types": (types, PAPER["cell_types"]),
        "regions": (regions, PAPER["regions"]),
        "bases_of_regions": (bases, PAPER["base_pairs"]),
        "mean_region_length": (round(bases / regions, 1), round(paper_mean, 1)),
        "region_cell_type_pairs": (pairs, PAPER_SEQUENCES),
        "mean_bases_per_sample": (round(sample_bases), round(paper_mean * per_sample)),
    }
    return {name: {"run": ours, "paper": paper} for name, (ours, paper) in rows.items()}


def hash_inputs(files: Mapping[str, str | Path]) -> dict[str, dict]:
    """Return name, size and SHA-256 of every input file.

    Raises
    ------
    InputError
        A file cannot be read.
    """
    hashes = {}
    for key, path in files.items():
        path = Path(path)
        try:
            hashes[key] = {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256(path)}
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); expected the input file {key}") from error
        logger.info("%s: sha256 %s", key, hashes[key]["sha256"])
    return hashes


def _by_type(parts: Parts, only_here: list[int]) -> dict[str, dict]:
    """Return what is known of each cell type."""
    return {
        name: {
            "cells": row["cells"],
            "fragments": row["fragments"],
            "accessible_regions": row["accessible_regions"],
            "share_of_union": round(row["accessible_regions"] / len(parts.sequences), 6),
            "only_here": n,
            **{key: n for key, n in parts.corpus["by_cell_type"][name].items() if key != "accessible_regions"},
        }
        for (name, row), n in zip(parts.summary["cell_types"].items(), only_here, strict=True)
    }


def _steps(parts: Parts, by_type: dict[str, dict], region_bp: int | None, shown: float) -> dict:
    """Return what became of regions, cell types and samples on the way; `shown`: mean bases of a sample."""
    summary, corpus = parts.summary, parts.corpus
    read = ("format", "group_by", "binarise", "min_fraction", "input_regions", "dropped_regions")
    return {
        **{key: summary[key] for key in read},
        "regions": len(parts.sequences),
        **{key: summary[key] for key in ("dropped_cell_types", "cells_without_type")},
        "region_bases": len(parts.sequences.codes),
        "n_bases": parts.regions["n_bases"],
        "regions_per_sample": corpus["regions_per_sample"],
        "region_bp": region_bp,
        "mean_bases_shown_per_sample": round(shown, 1),
        **{key: corpus[key] for key in ("holdout_chromosomes", "validation_fraction")},
        "pairs": int(parts.data.X.nnz),
        **{f"pairs_{key}": sum(row[key] for row in by_type.values()) for key in ("held_out", "left_over")},
        **{key: corpus[key] for key in ("groups", "validation_groups", "groups_without_negative")},
    }


def compute_card(settings: CardSettings, inputs: CardInputs) -> dict:
    """Return the content of ``card.json``.

    Raises
    ------
    InputError
        A file cannot be read, or the parts do not belong to one run.
    """
    parts = read_parts(inputs)
    accessible_sha256 = sha256(Path(inputs.accessibility) / "accessible.h5ad")
    check_parts(parts, settings.motif_region_bp, accessible_sha256)
    sequences, groups, corpus = parts.sequences, parts.groups, parts.corpus
    names, open_ = list(parts.data.obs_names), sp.csr_matrix(parts.data.X)
    regions = pd.DataFrame({column: parts.data.var[column].to_numpy() for column in ("chrom", "start", "end")})
    lengths, pairs = np.diff(sequences.offsets), int(open_.nnz)
    shown = lengths if settings.region_bp is None else np.minimum(lengths, settings.region_bp)
    # Mean bases of a training sample: of whole regions, and of what models are shown.
    whole, middle = (float(n[groups.subset(TRAIN).regions].sum(1).mean()) for n in (lengths, shown))
    shared = sharing(open_, names)
    by_type = _by_type(parts, shared["only_here"])
    n_bases, held_out = parts.regions["n_bases"], tuple(corpus["holdout_chromosomes"])
    return {
        "run": settings.run,
        "scale": settings.scale,
        "notes": list(settings.notes),
        "paper": paper_comparison(
            len(regions), int(lengths.sum()), len(names), pairs, whole, corpus["regions_per_sample"]
        ),
        "steps": _steps(parts, by_type, settings.region_bp, middle),
        "cell_types": by_type,
        "sharing": shared,
        "region_lengths": region_lengths(lengths),
        "motifs": motif_density(parts.motifs, settings.motif_region_bp),
        "duplicates": duplicates(groups, sequences, pairs),
        "genome": genome_share(regions, parts.genome, n_bases),
        "leakage": leakage(inputs.data_sets, regions, sequences, groups, settings.region_bp, held_out),
        "inputs": hash_inputs(inputs.raw),
        "made": {
            "accessible.h5ad": accessible_sha256,
            "sequences": parts.regions["sha256"],
            "motifs": parts.motifs["sha256"],
            "genome_md5": parts.genome["md5"],
        },
    }
