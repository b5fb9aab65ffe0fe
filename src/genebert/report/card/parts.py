"""What the data card reads: the outputs of the stages before pre-training, which must be of one run."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from genebert.corpus.groups import Groups
from genebert.errors import InputError
from genebert.files import read_json
from genebert.genome.sequences import RegionSequences


@dataclass(frozen=True)
class CardInputs:
    """Where a run's data are.

    Attributes
    ----------
    accessibility, sequences, motifs, corpus : path
        Folders of the stages' outputs.
    genome : path
        ``genome.json``, as :func:`genebert.genome.fasta.prepare_genome` writes it.
    raw : dict
        What the run was made from: a name for each file, and its path.
    data_sets : dict
        Downstream data sets: name, then split, then parquet file.
    """

    accessibility: str | Path
    sequences: str | Path
    motifs: str | Path
    corpus: str | Path
    genome: str | Path
    raw: Mapping[str, str | Path]
    data_sets: Mapping[str, Mapping[str, str | Path]]


@dataclass(frozen=True)
class Parts:
    """What the stages have made, and what they say of it.

    Attributes
    ----------
    data : AnnData
        Of ``accessible.h5ad``.
    sequences : RegionSequences
    groups : Groups
    summary, genome, regions, motifs, corpus : dict
        The JSON files of these names.
    """

    data: Any
    sequences: RegionSequences
    groups: Groups
    summary: dict
    genome: dict
    regions: dict
    motifs: dict
    corpus: dict


def read_parts(inputs: CardInputs) -> Parts:
    """Return the parts of a run, not yet checked against each other."""
    import anndata

    accessibility, sequences, corpus = (Path(x) for x in (inputs.accessibility, inputs.sequences, inputs.corpus))
    return Parts(
        anndata.read_h5ad(accessibility / "accessible.h5ad"),
        RegionSequences.load(sequences),
        Groups.load(corpus),
        summary=read_json(accessibility / "summary.json"),
        genome=read_json(inputs.genome),
        regions=read_json(sequences / "regions.json"),
        motifs=read_json(Path(inputs.motifs) / "motifs.json"),
        corpus=read_json(corpus / "corpus.json"),
    )


def check_parts(parts: Parts, motif_region_bp: int | None, accessible_sha256: str) -> None:
    """Check that the parts belong to one run.

    Raises
    ------
    InputError
        They do not: one of them was made again and the others were not, or regions were cropped in another way.
    """
    data, sequences, summary, corpus = parts.data, parts.sequences, parts.summary, parts.corpus
    lengths = (data.var["end"] - data.var["start"]).to_numpy()
    for where, found in (
        ("summary.json", summary["regions"]),
        ("the region sequences", len(sequences)),
        ("motifs.json", parts.motifs["regions"]),
        ("corpus.json", corpus["regions"]),
    ):
        if found != len(lengths):
            raise InputError(f"{where}: of {found} regions, but accessible.h5ad has {len(lengths)}; expected one run")
    if not np.array_equal(np.diff(sequences.offsets), lengths):
        raise InputError("the region sequences: lengths differ from those in accessible.h5ad; expected one run")
    for where, found in (("summary.json", list(summary["cell_types"])), ("corpus.json", corpus["cell_types"])):
        if found != list(data.obs_names):
            raise InputError(f"{where}: cell types {', '.join(found)}; expected {', '.join(data.obs_names)}")
    scanned = sha256(np.ascontiguousarray(sequences.crop(motif_region_bp).codes)).hexdigest()
    if scanned != parts.motifs["sha256"]["sequences"]:
        raise InputError(
            f"motifs.json: other bases were scanned than those of the region sequences with motifs.region_bp "
            f"{motif_region_bp}; expected one run"
        )
    if corpus["accessible_sha256"] != accessible_sha256:
        raise InputError("corpus.json: made from another accessible.h5ad than the one here; run the rule corpus again")
