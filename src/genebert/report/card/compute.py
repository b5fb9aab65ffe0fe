"""What a run's pre-training data are, where they come from, and what was dropped on the way."""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from hashlib import sha256 as sha256_of
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from genebert.corpus.groups import TRAIN, Groups
from genebert.errors import InputError
from genebert.files import read_json, sha256
from genebert.genome.bases import reverse_complement
from genebert.genome.builds import BUILD_LENGTHS
from genebert.genome.intervals import merge_overlapping
from genebert.genome.sequences import RegionSequences
from genebert.paper import PAPER, PAPER_GENOME, PAPER_SEQUENCES
from genebert.report.card.leakage import leakage
from genebert.report.text import ReportSettings

logger = logging.getLogger(__name__)

PERCENTILES = (5, 25, 50, 75, 95)
LENGTH_STEP, LENGTH_STEPS = 50, 40


@dataclass(frozen=True)
class CardInputs:
    """Where a run's data are, and how its regions are cropped."""

    accessibility: str | Path  # folders of the stages' outputs
    sequences: str | Path
    motifs: str | Path
    corpus: str | Path
    genome: str | Path  # ``genome.json``
    raw: Mapping[str, str | Path]  # what the run was made from: a name for each file, and its path
    data_sets: Mapping[str, Mapping[str, str | Path]]  # downstream: name, then split, then parquet file
    region_bp: int | None = None  # models are shown only so many bases in the middle of each region
    motif_region_bp: int | None = None  # only so many bases were scanned for motifs


def sharing(accessible: sp.csr_matrix, names: list[str]) -> dict:
    """Compare the accessible regions (binary CSR [n_types, n_regions]) of all pairs of cell types.

    Returns
    -------
    dict
        ``cell_types``; ``regions_open_in``: number of regions open in exactly 1, 2, ..., all types; ``only_here``: for
        each type its regions open in no other; ``shared`` and ``jaccard`` [n_types, n_types] (None where both types
        have no region); ``pairs``: all pairs of types by falling Jaccard index.
    """
    open_ = sp.csr_matrix(accessible, dtype=np.int64)
    types_open = open_.getnnz(axis=0)
    shared = (open_ @ open_.T).toarray()
    sizes = shared.diagonal()
    union = sizes[:, None] + sizes[None, :] - shared
    jaccard = [
        [round(int(s) / int(u), 6) if u else None for s, u in zip(*rows, strict=True)]
        for rows in zip(shared, union, strict=True)
    ]
    pairs = [
        {"cell_types": [names[i], names[j]], "shared": int(shared[i, j]), "jaccard": jaccard[i][j]}
        for i, j in combinations(range(len(names)), 2)
        if jaccard[i][j] is not None
    ]
    return {
        "cell_types": names,
        "regions_open_in": np.bincount(types_open, minlength=len(names) + 1)[1:].tolist(),
        "only_here": open_[:, types_open == 1].getnnz(axis=1).tolist(),
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

    ``in_repeats`` are the regions whose sequence another region has too.
    """
    # Digests instead of the sequences themselves, which would take a gigabyte at full size.
    forward: Counter[bytes] = Counter()
    either: Counter[bytes] = Counter()
    for i in range(len(sequences)):
        bases, opposite = sequences[i].tobytes(), reverse_complement(sequences[i]).tobytes()
        forward[blake2b(bases, digest_size=16).digest()] += 1
        either[blake2b(min(bases, opposite), digest_size=16).digest()] += 1
    result = {"regions": len(sequences)}
    for suffix, times in (("", forward), ("_up_to_strand", either)):
        result |= {f"different{suffix}": len(times), f"in_repeats{suffix}": sum(n for n in times.values() if n > 1)}
    return result


def duplicates(groups: Groups, sequences: RegionSequences, pairs: int) -> dict:
    """Count what comes more than once: regions in several types (of all pairs), identical sequences and groups."""
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
    """Return how many motifs hit a region, beside what chance gives in as many bases."""
    return {
        "kind": info["kind"],
        "motifs": info["motifs"],
        "p_value": info["settings"]["p_value"],
        "release": info["settings"]["release"],
        "region_bp": region_bp,
        "motifs_hit_per_region": round(info["mean_share_hit"] * info["motifs"], 4),
        "share_of_ones": round(info["mean_share_hit"], 6),
        "motifs_that_cannot_reach_p": info["unreachable_p"],
        "by_chance": {
            "motifs_hit_per_region": round(info["chance_share_hit"] * info["motifs"], 4),
            "share_of_ones": round(info["chance_share_hit"], 6),
        },
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
    """Return name, size and SHA-256 of every input file."""
    hashes = {}
    for key, path in files.items():
        path = Path(path)
        try:
            hashes[key] = {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256(path)}
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); expected the input file {key}") from error
        logger.info("%s: sha256 %s", key, hashes[key]["sha256"])
    return hashes


def _check(told: dict[str, dict], data: Any, sequences: RegionSequences, motif_region_bp: int | None) -> None:
    """Check that the parts belong to one run: none of them was made again without the others, or cropped otherwise."""
    lengths = (data.var["end"] - data.var["start"]).to_numpy()
    counted = {f"{name}.json": told[name]["regions"] for name in ("summary", "motifs", "corpus")}
    for where, found in {"the region sequences": len(sequences), **counted}.items():
        if found != len(lengths):
            raise InputError(f"{where}: of {found} regions, but accessible.h5ad has {len(lengths)}; expected one run")
    if not np.array_equal(np.diff(sequences.offsets), lengths):
        raise InputError("the region sequences: lengths differ from those in accessible.h5ad; expected one run")
    for name in ("summary", "corpus"):
        found = list(told[name]["cell_types"])
        if found != list(data.obs_names):
            raise InputError(f"{name}.json: cell types {', '.join(found)}; expected {', '.join(data.obs_names)}")
    scanned = np.ascontiguousarray(sequences.crop(motif_region_bp).codes)
    if sha256_of(scanned).hexdigest() != told["motifs"]["sha256"]["sequences"]:
        raise InputError(
            "motifs.json: other bases were scanned than those of the region sequences with motifs.region_bp "
            f"{motif_region_bp}; expected one run"
        )


def _by_type(told: dict[str, dict], only_here: list[int], n_regions: int) -> dict[str, dict]:
    """Return what is known of each cell type."""
    return {
        name: {
            **{key: row[key] for key in ("cells", "fragments", "accessible_regions")},
            "share_of_union": round(row["accessible_regions"] / n_regions, 6),
            "only_here": alone,
            **{key: n for key, n in told["corpus"]["by_cell_type"][name].items() if key != "accessible_regions"},
        }
        for (name, row), alone in zip(told["summary"]["cell_types"].items(), only_here, strict=True)
    }


def _steps(told: dict, by_type: dict, pairs: int, region_bp: int | None, mean_shown: float) -> dict:
    """Return what became of regions, cell types and samples on the way."""
    summary, regions, corpus = told["summary"], told["regions"], told["corpus"]
    first = ("format", "group_by", "binarise", "min_fraction", "input_regions", "dropped_regions", "regions",
             "dropped_cell_types", "cells_without_type")  # fmt: skip
    return {
        **{key: summary[key] for key in first},
        "region_bases": regions["bases"],
        "n_bases": regions["n_bases"],
        "regions_per_sample": corpus["regions_per_sample"],
        "region_bp": region_bp,
        "mean_bases_shown_per_sample": round(mean_shown, 1),
        "cropped_samples": corpus["cropped_samples"],
        **{key: corpus[key] for key in ("holdout_chromosomes", "validation_fraction")},
        "pairs": pairs,
        **{f"pairs_{key}": sum(row[key] for row in by_type.values()) for key in ("held_out", "left_over")},
        **{key: corpus[key] for key in ("groups", "validation_groups", "groups_without_negative")},
    }


def compute_card(settings: ReportSettings, inputs: CardInputs) -> dict:
    """Return the content of ``card.json``.

    Raises
    ------
    InputError
        A file cannot be read, or the parts do not belong to one run.
    """
    import anndata

    accessible = Path(inputs.accessibility) / "accessible.h5ad"
    data, accessible_sha256 = anndata.read_h5ad(accessible), sha256(accessible)
    sequences, groups = RegionSequences.load(inputs.sequences), Groups.load(inputs.corpus)
    folders = {"summary": inputs.accessibility, "regions": inputs.sequences, "motifs": inputs.motifs,
               "corpus": inputs.corpus}  # fmt: skip
    told = {name: read_json(Path(folder) / f"{name}.json") for name, folder in folders.items()}
    corpus, genome = told["corpus"], read_json(inputs.genome)
    _check(told, data, sequences, inputs.motif_region_bp)
    if corpus["accessible_sha256"] != accessible_sha256:
        raise InputError("corpus.json: made from another accessible.h5ad than the one here; run the rule corpus again")

    names, open_ = list(data.obs_names), sp.csr_matrix(data.X)
    regions = pd.DataFrame({column: data.var[column].to_numpy() for column in ("chrom", "start", "end")})
    lengths, pairs = np.diff(sequences.offsets), int(open_.nnz)
    shown = lengths if inputs.region_bp is None else np.minimum(lengths, inputs.region_bp)
    # Mean bases of a training sample: of whole regions, and of what models are shown.
    whole, middle = (float(n[groups.subset(TRAIN).regions].sum(1).mean()) for n in (lengths, shown))
    shared = sharing(open_, names)
    by_type = _by_type(told, shared["only_here"], len(regions))
    held_out = corpus["holdout_chromosomes"]
    return {
        "run": settings.run,
        "scale": settings.scale,
        "notes": list(settings.notes),
        "paper": paper_comparison(
            len(regions), int(lengths.sum()), len(names), pairs, whole, corpus["regions_per_sample"]
        ),
        "steps": _steps(told, by_type, pairs, inputs.region_bp, middle),
        "cell_types": by_type,
        "sharing": shared,
        "region_lengths": region_lengths(lengths),
        "motifs": motif_density(told["motifs"], inputs.motif_region_bp),
        "duplicates": duplicates(groups, sequences, pairs),
        "genome": genome_share(regions, genome, told["regions"]["n_bases"]),
        "leakage": leakage(inputs.data_sets, regions, sequences, groups, inputs.region_bp, held_out),
        "inputs": hash_inputs(inputs.raw),
        "made": {
            "accessible.h5ad": accessible_sha256,
            "sequences": told["regions"]["sha256"],
            "motifs": told["motifs"]["sha256"],
            "genome_md5": genome["md5"],
        },
    }
