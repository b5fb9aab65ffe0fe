"""What GeneBERT's losses read of a run."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genebert.corpus.groups import Groups
from genebert.errors import InputError
from genebert.files import read_json, sha256
from genebert.genome.sequences import RegionSequences
from genebert.genome.tables import read_table
from genebert.motifs.matrix import load_motif_matrix
from genebert.settings.models import REGRESSION, REGRESSION_MATRIX, LossSettings, reads, regression_needs
from genebert.training.job import PretrainJob

# What names the parts of a run in a model's record.
FILES = {"sequences": "regions.npy", "motifs": "matrix.npy", "corpus": "groups.npz"}
Columns = tuple[Sequence[str], Sequence[str]]  # ids and families


class Data(NamedTuple):
    """What the losses read of a run, None where none of them does; `record` names it in ``model.json``."""

    sequences: RegionSequences | None  # as shown to the model
    motifs: np.ndarray | None  # [n_regions, n_tfs]
    groups: Groups | None
    regions_per_sample: int
    record: dict
    ids: Sequence[str] = ()  # of the matrix' columns, as in JASPAR
    families: Sequence[str] = ()  # of transcription factors: those of the columns, empty where unknown


def _columns(folder: Path, losses: LossSettings, record: dict) -> Columns:
    """Return ids and families of a matrix' columns; an InputError where the loss cannot be had of such a matrix."""
    if losses.srm == REGRESSION and record["matrix"] != REGRESSION_MATRIX:
        raise InputError(regression_needs(record["matrix"]))
    table = read_table(folder / "motifs.tsv", ["matrix_id", "tf_family"])
    families = table["tf_family"].fillna("").tolist()
    if losses.contrasts and losses.negatives == "families":
        if not any(families):
            raise InputError(f"{folder}/motifs.tsv: found no tf_family, expected some for losses.negatives families")
        # The order of samples follows from them, and no other file tells them.
        record["families"] = hashlib.sha256("\n".join(families).encode()).hexdigest()
    return table["matrix_id"].tolist(), families


def read_data(job: PretrainJob, losses: LossSettings) -> Data:
    """Return the parts of a run that the losses of a job read, and no others.

    Raises
    ------
    InputError
        Losses that cannot be had of the run's matrix.
    """
    folders = {part: Path(job.data[part]) for part in reads(job.model)}
    files = [*(folder / FILES[part] for part, folder in folders.items()), *job.weights]
    record = {"region_bp": job.region_bp} if "sequences" in folders else {}
    columns: Columns = ((), ())
    if "motifs" in folders:
        record["matrix"] = read_json(folders["motifs"] / "motifs.json")["kind"]
        columns = _columns(folders["motifs"], losses, record)
    return Data(
        RegionSequences.load(folders["sequences"]).crop(job.region_bp) if "sequences" in folders else None,
        load_motif_matrix(folders["motifs"]) if "motifs" in folders else None,
        Groups.load(folders["corpus"]) if "corpus" in folders else None,
        job.regions_per_sample,
        record | {str(path): sha256(path) for path in files},
        *columns,
    )
