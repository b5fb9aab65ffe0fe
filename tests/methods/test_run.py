"""Jobs: methods and kinds from outside, jobs that were killed, sizes, kept classifiers, places in the genome."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
from finetune_inputs import SETTINGS, make_folder
from method_inputs import BASELINES, NAMES, examples, fit_job, predictions, run, write_folder, write_motifs
from motif_reference import consensus_motif
from toy_methods import LETTERS, LetterClasses, Letters, letter_classes

from genebert.errors import InputError
from genebert.evaluation.examples import Examples
from genebert.evaluation.kinds.registry import KINDS
from genebert.evaluation.scores import read_score
from genebert.genome.fasta import Genome, prepare_genome
from genebert.methods.registry import METHODS, load_classifier
from genebert.methods.run import run_method
from genebert.tasks.splits import write_task

torch.set_num_threads(1)


def rich(n: int, seed: int) -> pd.DataFrame:
    """Sequences of two classes; positives have more of C and G."""
    rng = np.random.default_rng(seed)
    label = rng.permutation(np.arange(n) % 2)
    shares = np.where(label[:, None, None] == 1, [0.2, 0.3, 0.3, 0.2], [0.25, 0.25, 0.25, 0.25])
    codes = (rng.random((n, 30, 1)) > np.cumsum(shares, 2)).sum(2).clip(0, 3)
    return pd.DataFrame({"sequence": ["".join("ACGT"[i] for i in row) for row in codes], "label": label.astype("int8")})


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(METHODS, "letters", LETTERS)
    monkeypatch.setitem(KINDS, LetterClasses.name, LetterClasses)
    Letters.fits.clear()


@pytest.fixture
def folder(tmp_path):
    tables = {"train": rich(200, 0), "valid": rich(60, 1), "test": rich(100, 2)}
    return write_folder(tmp_path / "toy", tables, kind="two-class")


@pytest.fixture
def bases_folder(tmp_path):
    tables = {"train": letter_classes(200, 0), "valid": letter_classes(40, 1), "test": letter_classes(60, 2)}
    return write_folder(tmp_path / "bases", tables, kind="letter-classes", classes=3)


def contents(path) -> dict:
    """Return the files of a folder, score files without their seconds."""
    found = {}
    for one in path.iterdir():
        found[one.name] = read_score(one) | {"seconds": 0} if one.suffix == ".json" else one.read_bytes()
    return found


# ------------------------------------------------------------------------------------------------------ from outside


def test_a_method_of_one_file(folder, tmp_path):
    score = run("letters", folder, tmp_path, options={"weight": 2.0}, classifiers=tmp_path / "kept")
    assert score["metrics"]["roc_auc"] > 0.6 and score["settings"] == {"weight": 2.0}
    assert {key: score[key] for key in NAMES} == NAMES and score["method"]["name"] == "letters"
    loaded = load_classifier(tmp_path / "kept" / "seed5")
    test = examples(pd.read_parquet(folder / "test.parquet"))
    assert loaded.score(test).tolist() == predictions(tmp_path)["score"].tolist()


def test_a_kind_of_one_file(bases_folder, tmp_path):
    """A class for every base, with a method from outside and with fine-tuning, on one strand and on both."""
    score = run("letters", bases_folder, tmp_path)
    assert score["metrics"] == {"accuracy": score["metrics"]["accuracy"], "n": 60}
    by_letter = score["metrics"]["accuracy"]
    assert 0.8 < by_letter < 0.9  # which C and G are CG cannot be told from the letter
    assert predictions(tmp_path)["score"].map(len).tolist() == [72] * 60
    model = make_folder(tmp_path / "model")
    learnt = by_letter + 0.05  # a linear head on random states learns less; the largest class has half of the bases
    for changes, least in (({}, learnt), ({"strands": "both"}, learnt), ({"frozen": True, "learning_rate": 2e-2}, 0.6)):
        options = asdict(replace(SETTINGS, epochs=12, batch=8, **changes))
        given = {"files": {"model": model}, "options": options, "classifiers": tmp_path / "kept", "sizes": [150]}
        score = run("finetune", bases_folder, tmp_path, **given)
        assert score["metrics"]["accuracy"] > least and score["n_train"] == 150
        assert score["method"]["classifier"].startswith("linear, logits of every base, on")
        assert max(epoch["valid_accuracy"] for epoch in score["history"]) == score["validation"]["accuracy"]
        test = examples(pd.read_parquet(bases_folder / "test.parquet"))
        loaded = load_classifier(tmp_path / "kept" / "n150_seed5")
        written = np.stack(predictions(tmp_path, "n150_seed5")["score"]).reshape(60, 24, 3)
        assert np.array_equal(loaded.score(test), written)


def test_a_card_without_what_its_kind_reads(bases_folder, tmp_path):
    (bases_folder / "card.json").write_text('{"kind": "letter-classes"}')
    with pytest.raises(InputError, match=r"card\.json: has no key 'classes', expected it beside the kind"):
        run("letters", bases_folder, tmp_path)


@pytest.mark.parametrize("name", BASELINES)
def test_simple_methods_refuse_other_kinds(name, bases_folder, tmp_path):
    path = write_motifs(tmp_path / "jaspar.txt", [consensus_motif("TATA")])
    with pytest.raises(InputError, match=f"{name}: found a task of kind letter-classes, expected two-class"):
        run(name, bases_folder, tmp_path, files={"jaspar": path})


# ------------------------------------------------------------------------------------------------------ killed jobs


def test_a_killed_job_goes_on_with_what_is_missing(folder, tmp_path, monkeypatch):
    seeds = {"seeds": [0, 1, 2], "classifiers": tmp_path / "kept"}
    run("letters", folder, tmp_path / "whole", **seeds)
    whole = contents(tmp_path / "whole" / "out")
    fit = Letters.fit

    def killed(self, train, valid, seed):
        if seed == 1:
            raise KeyboardInterrupt
        return fit(self, train, valid, seed)

    with monkeypatch.context() as patch:
        patch.setattr(Letters, "fit", killed)
        with pytest.raises(KeyboardInterrupt):
            run("letters", folder, tmp_path, **seeds)
    assert not (tmp_path / "out").exists()
    (kept,) = (tmp_path / "checkpoints").iterdir()
    assert {path.name for path in kept.iterdir()} == {"seed0", "seed0.json", "seed0.parquet"}
    Letters.fits.clear()
    run("letters", folder, tmp_path, **seeds)
    assert Letters.fits == [(1, 200), (2, 200)]
    assert contents(tmp_path / "out") == whole
    assert not (tmp_path / "checkpoints").exists()
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"seed0", "seed1", "seed2"}


def test_what_other_settings_or_data_gave_is_never_taken_up(folder, tmp_path, monkeypatch):
    def interrupted(**changes):
        """Run with seed 0, and stop before its files are in their places; return how many fits that took."""
        before = len(Letters.fits)
        with monkeypatch.context() as patch:
            patch.setattr("genebert.methods.run._publish", lambda *_: None)
            run_method(fit_job("letters", folder, tmp_path, seeds=[0], **changes))
        return len(Letters.fits) - before

    assert interrupted() == 1 and interrupted() == 0
    assert interrupted(options={"weight": 3.0}) == 1
    assert interrupted(files={"jaspar": write_motifs(tmp_path / "one", [consensus_motif("TATA")])}) == 1
    assert interrupted(files={"jaspar": write_motifs(tmp_path / "one", [consensus_motif("CACA")])}) == 1
    assert interrupted(classifiers=tmp_path / "kept") == 1  # none was kept before
    monkeypatch.setattr("genebert.methods.run.version", lambda _package: "9.9")
    assert interrupted() == 1
    rich(200, 9).to_parquet(folder / "train.parquet")
    assert interrupted() == 1 and interrupted() == 0


@contextmanager
def another(root, folder, out, pause: str):
    """Yield a process that runs ``letters`` with two seeds, when it has finished the first and pauses (seconds)."""
    code = f"""
from pathlib import Path
from method_inputs import fit_job
from toy_methods import LETTERS
from genebert.methods.registry import METHODS
from genebert.methods.run import run_method
METHODS["letters"] = LETTERS
run_method(fit_job("letters", Path({str(folder)!r}), Path({str(out)!r}), seeds=[0, 1]))
"""
    path = os.pathsep.join([str(root / "tests"), str(root / "src")])
    job = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path, "LETTERS_PAUSE": pause})
    try:
        deadline = time.monotonic() + 120
        while not list(out.glob("checkpoints/*/seed0.json")) and time.monotonic() < deadline:
            assert job.poll() is None
            time.sleep(0.05)
        yield job
    finally:
        job.kill()


def test_sigterm_leaves_what_is_finished(root, folder, tmp_path):
    with another(root, folder, tmp_path, "60") as job:
        job.send_signal(signal.SIGTERM)
        assert job.wait(30) == -signal.SIGTERM
    assert not (tmp_path / "out").exists()
    run("letters", folder, tmp_path, seeds=[0, 1])
    assert Letters.fits == [(1, 200)]
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"seed0.json", "seed1.json"}


def test_a_job_waits_for_one_that_has_outlived_its_workflow(root, folder, tmp_path, caplog):
    """And then begins anew, for the other has removed its checkpoints."""
    run("letters", folder, tmp_path / "whole", seeds=[0, 1])
    Letters.fits.clear()
    with another(root, folder, tmp_path, "2") as job:
        run("letters", folder, tmp_path, seeds=[0, 1])
        assert job.wait(30) == 0
    assert "another process is at work here" in caplog.text
    assert Letters.fits == [(0, 200), (1, 200)]
    assert contents(tmp_path / "out") == contents(tmp_path / "whole" / "out")
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize("after", range(1, 12))
def test_killed_while_it_clears_up(folder, tmp_path, monkeypatch, after):
    """After any number of deletions, in any order, the next run ends in the same files."""

    def files(where):
        run("letters", folder, where, seeds=[0, 1], classifiers=where / "kept")
        names = {path.relative_to(where): path for path in (where / "kept").rglob("*") if path.is_file()}
        return contents(where / "out") | {name: path.read_bytes() for name, path in names.items()}

    whole, deleted, unlink = files(tmp_path / "whole"), [], os.unlink

    def counted(path, **options):
        if "checkpoints" in (text := str(path)) or options.get("dir_fd") is not None:
            deleted.append(text)
            if len(deleted) > after:
                raise KeyboardInterrupt
        unlink(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", counted)
        with suppress(KeyboardInterrupt):
            files(tmp_path)
    assert len(deleted) >= min(after, 8)
    assert files(tmp_path) == whole


# ------------------------------------------------------------------------------------------------------ seeds, sizes


def test_a_deterministic_method_is_fitted_once(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(Letters, "deterministic", True)
    run("letters", folder, tmp_path, seeds=[3, 4, 5])
    assert Letters.fits == [(3, 200)]
    first, other = (read_score(tmp_path / "out" / f"seed{seed}.json") for seed in (3, 5))
    assert other == first | {"seed": 5}
    run("letters", folder, tmp_path, seeds=[3, 4], sizes=[20, 200])
    assert Letters.fits[1:] == [(3, 20), (3, 200), (4, 20), (4, 200)]  # the seed chooses the examples


def test_sizes_beyond_the_training_set_say_so(folder, tmp_path, caplog):
    with caplog.at_level("WARNING", logger="genebert"):
        last = run("letters", folder, tmp_path, seeds=[0, 1], sizes=[50, 500], classifiers=tmp_path / "kept")
    assert last == {**NAMES, "n_train": 500, "seed": 1, "unavailable": "only 200 training examples"}
    assert "n500_seed1: left out, only 200 training examples" in caplog.text
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"n{size}_seed{seed}.{suffix}" for size in (50, 500) for seed in (0, 1) for suffix in ("json", "parquet")
    }
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"n50_seed0", "n50_seed1"}
    assert read_score(tmp_path / "out" / "n50_seed1.json")["n_train"] == 50


# ------------------------------------------------------------------------------------------------------ places


@pytest.mark.parametrize("method", ["finetune", *BASELINES])
def test_places_give_the_scores_of_their_letters(method, tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "source.fa").write_text(">chr1\n" + "".join(rng.choice(list("ACGT"), 60_000)) + "\n")
    prepare_genome(tmp_path / "source.fa", tmp_path / "genome.fa", "toy", ["chr1"])
    genome = Genome(tmp_path / "genome.fa")
    start = rng.permutation(5990)[:200] * 10
    places = pd.DataFrame({"chrom": "chr1", "start": start, "end": start + 40, "source": "made"})
    places = places.assign(
        strand=np.where(rng.random(200) < 0.5, "-", "+"), parent=[f"chr1:{a}-{a + 40}" for a in start]
    )
    codes, _ = Examples(places, genome=genome).codes()
    places["label"] = ((codes == 1) | (codes == 2)).sum(1) > 20
    letters = places.assign(sequence=["".join("ACGT"[i] for i in row) for row in codes])
    split = np.repeat(["train", "valid", "test"], [120, 30, 50])
    cards = [
        write_task(letters, split, tmp_path / "letters", {"factor": "TFMX"}),
        write_task(places, split, tmp_path / "places", {"factor": "TFMX"}, genome),
    ]
    assert cards[0] == cards[1]
    assert pd.read_parquet(tmp_path / "places" / "test.parquet")["sequence"].isna().all()
    with pytest.raises(InputError, match="120 of 120 examples are places without letters; expected a genome"):
        run(method, tmp_path / "places", tmp_path, files=files_of(method, tmp_path))
    options = {"finetune": {"epochs": 1, "strands": "both"}, "cnn": {"epochs": 2}}.get(method, {})
    found = []
    for name in ("letters", "places"):
        files = files_of(method, tmp_path) | {"genome": tmp_path / "genome.fa"}
        other = {"other": tmp_path / name}  # its own test set, without what overlaps the training places
        run(method, tmp_path / name, tmp_path / f"run-{name}", files=files, options=options, transfer=other)
        found.append(contents(tmp_path / f"run-{name}" / "out"))
    assert found[0]["seed5.parquet"] == found[1]["seed5.parquet"]
    first, second = (one["seed5.json"] for one in found)
    assert first["metrics"] == second["metrics"] and first["data_sha256"] != second["data_sha256"]
    assert first["transfer"] == second["transfer"] and first["transfer"]["other"]["left_out"] > 0


def files_of(method, folder):
    if method == "finetune":
        return {"model": make_folder(folder / "model")}
    return (
        {"jaspar": write_motifs(folder / "jaspar.txt", [consensus_motif("GCGC")])}
        if "jaspar" in METHODS[method].needs
        else {}
    )
