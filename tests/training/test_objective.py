"""The loop trains an objective that it has never heard of, from a job's files."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from line_objective import Line
from toy_training import MODEL, TRAINING, contents, toy_data

from genebert.errors import InputError
from genebert.files import sha256
from genebert.settings.models import READS, reads
from genebert.settings.training import TrainingSettings
from genebert.training import job as jobs
from genebert.training.job import PretrainJob
from genebert.training.objective import OBJECTIVES
from genebert.training.objectives.genebert import build
from genebert.training.parallel import ALONE

STEPS = replace(TRAINING, steps=60, learning_rate=0.1, log_every=20, validate_every=30, checkpoint_every=7)


@pytest.fixture
def fit(tmp_path, monkeypatch):
    """Train in a folder of that name."""
    monkeypatch.setitem(OBJECTIVES, "line", "line_objective")
    x = np.linspace(-1, 1, 40, dtype=np.float32)
    np.save(tmp_path / "points.npy", np.stack([x, 3 * x + 1], 1))

    def start(name):
        jobs.run(
            PretrainJob(
                model={"training": asdict(STEPS)}, data={"points": str(tmp_path)}, weights=[], region_bp=None,
                regions_per_sample=1, seed=5, checkpoints=str(tmp_path / name / "checkpoints"),
                output=str(tmp_path / name / "model"), threads=1, log="", device="cpu", objective="line",
            )
        )  # fmt: skip
        return tmp_path / name / "model"

    return start


def test_an_objective_from_elsewhere(fit, tmp_path):
    folder = fit("whole")
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [20, 30, 40, 60]
    assert lines[-1]["loss"] < 0.05 * lines[0]["loss"] and lines[-1]["valid_loss"] < 0.1
    assert ["valid_loss" in line for line in lines] == [False, True, False, True]
    info = json.loads((folder / "model.json").read_text())
    assert info["data"] == {"points": 40, "points.npy": sha256(tmp_path / "points.npy")}
    assert (info["seed"], info["samples_seen"]) == (5, 480)
    assert info["floors"]["loss"]["mean"] > lines[-1]["loss"]
    assert not any((tmp_path / "whole/checkpoints").iterdir())
    weights = torch.load(folder / "line.pt")
    assert float(weights["weight"]) == pytest.approx(3, abs=0.3)


def test_an_objective_from_elsewhere_is_resumed(fit, tmp_path, monkeypatch):
    real = Line.compute
    for kill in (10, 33):

        def dying(self, share, step, kill=kill):
            if step == kill:
                raise KeyboardInterrupt
            return real(self, share, step)

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Line, "compute", dying)
            fit("killed")
        assert list((tmp_path / "killed/checkpoints").glob("*/*.pt"))
    assert contents(fit("killed")) == contents(fit("whole"))


# ------------------------------------------------------------------------------------------------ what a model reads


def settings(steps=2, **losses):
    return asdict(MODEL) | {"losses": asdict(MODEL.losses) | losses, "training": asdict(replace(TRAINING, steps=steps))}


def test_files_that_losses_read():
    everything = {"sequences", "motifs", "corpus"}
    assert set(reads(settings())) == set().union(*READS.values()) == everything
    for losses in ({"srm": None}, {"srm": None, "mgm": False}, {"srm": None, "ngsp": False}):
        assert set(reads(settings(**losses))) == everything - {"motifs"}
    assert reads(settings(mgm=False, ngsp=False, srm=None)) == reads(settings(steps=0)) == ()


@pytest.fixture
def run_folder(tmp_path):
    """Sequences, motifs and corpus as the workflow writes them."""
    sequences, motifs, groups = toy_data()
    sequences.save(tmp_path / "sequences")
    (tmp_path / "motifs").mkdir()
    np.save(tmp_path / "motifs/matrix.npy", motifs)
    (tmp_path / "motifs/motifs.tsv").write_text(
        "matrix_id\ttf_family\n" + "".join(f"MA{i:04}.1\t\n" for i in range(12))
    )
    (tmp_path / "motifs/motifs.json").write_text(json.dumps({"regions": 400, "motifs": 12, "kind": "max_score"}))
    groups.save(tmp_path / "corpus")
    return tmp_path


@pytest.mark.parametrize("model", [settings(), settings(srm=None), settings(steps=0)])
def test_a_job_reads_and_records_the_files_of_its_losses_alone(model, run_folder):
    (run_folder / "start").write_text("weights")
    data = {part: str(run_folder / part) for part in reads(model)}
    for part in {"sequences", "motifs", "corpus"} - data.keys():
        (run_folder / part).rename(run_folder / f"no-{part}")
    jobs.run(
        PretrainJob(
            model=model, data=data, weights=[str(run_folder / "start")], region_bp=25, regions_per_sample=4, seed=1,
            checkpoints=str(run_folder / "checkpoints"), output=str(run_folder / "model"), threads=1, log="",
            device="cpu",
        )
    )  # fmt: skip
    info = json.loads((run_folder / "model/model.json").read_text())
    names = {"sequences": "regions.npy", "motifs": "matrix.npy", "corpus": "groups.npz"}
    files = [*(run_folder / part / names[part] for part in data), run_folder / "start"]
    cropped = {"region_bp": 25} if data else {}
    form = {"matrix": "max_score"} if "motifs" in data else {}
    assert info["data"] == cropped | form | {str(path): sha256(path) for path in files}
    assert info["regions_per_sample"] == 4


def test_families_of_the_columns_are_recorded_where_batches_follow_them(run_folder):
    table = run_folder / "motifs/motifs.tsv"
    data = {part: str(run_folder / part) for part in ("sequences", "motifs", "corpus")}

    def made(**losses):
        job = PretrainJob(settings(**losses), data, [], 25, 4, 1, "", "", 1, "")
        return build(job, TrainingSettings(**job.model["training"]), ALONE, torch.device("cpu"))

    def name(families):
        table.write_text("matrix_id\ttf_family\n" + "".join(f"MA{i:04}.1\tF{i % families}\n" for i in range(12)))

    sentence = r"motifs\.tsv: found no tf_family, expected some for losses\.negatives families"
    with pytest.raises(InputError, match=sentence):
        made(negatives="families")
    name(3)
    first = made(negatives="families").record["data"]["families"]
    assert len(first) == 64 and "families" not in made().record["data"]
    name(4)
    assert made(negatives="families").record["data"]["families"] != first


def test_regression_is_refused_beside_hits(run_folder):
    data = {part: str(run_folder / part) for part in ("sequences", "motifs", "corpus")}
    job = PretrainJob(settings(srm="regression", pooling="regions"), data, [], 25, 4, 1, "", "", 1, "")
    training = TrainingSettings(**job.model["training"])
    assert build(job, training, ALONE, torch.device("cpu")).model.region_encoder is None
    info = run_folder / "motifs/motifs.json"
    info.write_text(info.read_text().replace("max_score", "binary"))
    with pytest.raises(InputError, match="found regression beside matrix binary, expected matrix max_score"):
        build(job, training, ALONE, torch.device("cpu"))
