"""TF-binding sets of peaks that another cell does not have."""

import numpy as np
import pandas as pd
import pytest
from config_inputs import ROOT, problems, run_of

from genebert.errors import InputError
from genebert.genome.bases import decode
from genebert.genome.fasta import prepare_genome
from genebert.tasks.base import Sources
from genebert.tasks.tfbs import TASK

SPLITS = ("train", "valid", "test")
LENGTH = 200_000
ABOUT = {"factor": "CTCF", "cell": "one", "tissue": ""}
OWN = {
    "one": {"peaks": "one.bed", "factor": "CTCF"},
    "two": {"peaks": "two.bed", "factor": "CTCF"},
    "only-one": {"peaks": "one.bed", "factor": "CTCF", "differs_from": "two", "against": "other"},
}


def narrow(path, chrom, starts, signal):
    lines = [f"{chrom}\t{s}\t{s + 200}\t.\t0\t.\t{v}\t-1\t-1\t100" for s, v in zip(starts, signal, strict=True)]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Peaks of two cells on one chromosome: 80 shared (moved by 50 bases), 60 of the first alone, 40 of the second."""
    folder = tmp_path_factory.mktemp("toy")
    rng = np.random.default_rng(0)
    (folder / "raw.fa").write_text(f">chr1\n{decode(rng.integers(0, 4, LENGTH))}\n")
    prepare_genome(folder / "raw.fa", folder / "genome.fa", "toy", ["chr1"])
    places = rng.permutation(np.arange(1000, LENGTH - 1000, 1000))[:180]
    shared, first, second = places[:80], places[80:140], places[140:]
    narrow(folder / "one.bed", "chr1", np.append(shared, first), rng.random(140))
    narrow(folder / "two.bed", "chr1", np.append(shared + 50, second), rng.random(120))
    return folder, {"first": set(first.tolist()), "second": set(second.tolist())}


def build(toy, folder, **settings):
    files = {"peaks": toy[0] / "one.bed", "other_peaks": toy[0] / "two.bed"}
    pair = {"differs_from": "two", "against": "other"}
    card = TASK.build(ABOUT | pair | settings, Sources(files, toy[0] / "genome.fa", ["chr1"], 1), folder)
    frames = [pd.read_parquet(folder / f"{split}.parquet").assign(split=split) for split in SPLITS]
    return card, pd.concat(frames, ignore_index=True)


def starts(frame):
    return set((frame["start"].astype(int) + 50 - 100).tolist())  # of the peaks: 101 bases round a summit at 100


def test_peaks_of_one_cell_against_those_of_the_other(toy, tmp_path):
    card, examples = build(toy, tmp_path)
    true, false = (examples[examples["label"] == label] for label in (1, 0))
    assert len(true) == len(false) == 40 and starts(true) < toy[1]["first"] and starts(false) == toy[1]["second"]
    assert set(false["source"]) == {"peak-of-other"} and card["differs_from"] == "two" and card["against"] == "other"
    assert card["peaks"]["listed_with_shared"] == 140 and card["peaks"]["used"] == 60
    assert card["negatives"]["peaks"]["used"] == 40
    # the strongest of both, pair by pair: every second for testing
    assert card["counts"]["test"] == {"0": 20, "1": 20}
    assert (examples.groupby("parent")["split"].nunique() == 1).all()
    signal = pd.read_csv(toy[0] / "one.bed", sep="\t", header=None).set_index(1)[6]
    own = signal[sorted(toy[1]["first"])].sort_values(ascending=False)
    assert starts(true) == set(own.index[:40]) and starts(true[true["split"] == "test"]) == set(own.index[1:40:2])


def test_peaks_of_one_cell_against_their_shuffles(toy, tmp_path):
    _, examples = build(toy, tmp_path, against="shuffle")
    true, false = (examples[examples["label"] == label].set_index("parent").sort_index() for label in (1, 0))
    assert starts(true) == toy[1]["first"] and set(false["source"]) == {"shuffled"}
    assert [sorted(one) for one in true["sequence"]] == [sorted(one) for one in false["sequence"]]


def test_shuffles_need_no_peaks_of_the_other_cell_alone(toy, tmp_path):
    """Its peaks may all lie within this cell's."""
    lines = (toy[0] / "one.bed").read_text().splitlines(keepends=True)
    (tmp_path / "part.bed").write_text("".join(lines[:100]))
    files = {"peaks": toy[0] / "one.bed", "other_peaks": tmp_path / "part.bed"}
    sources = Sources(files, toy[0] / "genome.fa", ["chr1"], 1)
    pair = ABOUT | {"differs_from": "two"}
    card = TASK.build(pair | {"against": "shuffle"}, sources, tmp_path / "shuffled")
    assert card["peaks"]["used"] == 40
    with pytest.raises(InputError, match=r"part\.bed: all of its peaks overlap those of .*one\.bed"):
        TASK.build(pair | {"against": "other"}, sources, tmp_path / "other")


def test_cells_with_the_same_peaks_are_one_sentence(toy, tmp_path):
    files = {"peaks": toy[0] / "one.bed", "other_peaks": toy[0] / "one.bed"}
    settings = ABOUT | {"differs_from": "two", "against": "other"}
    with pytest.raises(InputError, match=r"one\.bed: all of its peaks overlap those of .*; expected some that do not"):
        TASK.build(settings, Sources(files, toy[0] / "genome.fa", ["chr1"], 1), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def overlay(**own):
    return {"tasks": {"tfbs": {"data_sets": [], "own": OWN | own, "transfer": "all"}}}


def test_such_a_set_stands_in_the_rows_that_name_it():
    run = run_of(overlay() | {"tables": {"table6_extended": {"tfbs/only-one": ["pwm", "genebert"]}}})
    sets = run.sets["tfbs"]
    assert TASK.files(sets["only-one"]) == {"peaks": "one.bed", "other_peaks": "two.bed"}
    assert TASK.files(sets["one"]) == {"peaks": "one.bed"} and "differs_from" not in sets["one"]
    assert sets["one"]["transfer"] == ["two"] and sets["only-one"]["transfer"] == []
    assert set(run.rows["table2"]) == set(run.rows["table6"]) == {"tfbs/one", "tfbs/two"}
    assert set(run.rows["table6_extended"]) == {"tfbs/only-one"}
    assert "table6_extended" in run.tables(extended=True) and "tfbs/only-one" not in run.sequence_set_names()
    assert "table6_extended" not in run_of({}).tables(extended=True)


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        ({"differs_from": "tow"}, "tasks.tfbs.own.bad.differs_from: found tow, which is no set; did you mean two?"),
        ({"differs_from": "bad"}, "tasks.tfbs.own.bad.differs_from: found bad, itself;"),
        ({"against": "other"}, "against: found other, but no differs_from; expected the other set's name there"),
    ],
)
def test_what_is_wrong_stops_at_the_plan(own, sentence):
    lines = problems(overlay(bad={"peaks": "one.bed", "factor": "CTCF"} | own))
    assert len(lines) == 1 and sentence in lines[0]


def test_the_example_names_sets_that_there_are():
    from genebert.run.run import read_run

    folder = ROOT / "config/examples"
    run = read_run(ROOT / "config", [folder / "fetal-brain.yaml", folder / "fetal-brain-across-cells.yaml"])
    pairs = [name for name, one in run.sets["tfbs"].items() if one.get("extended")]
    assert list(run.rows["table6_extended"]) == [f"tfbs/{name}" for name in pairs] and len(pairs) == 13
    assert f"{run.results}/tables/table6_extended_transfer.csv" in run.table_files("table6_extended")
    alone = read_run(ROOT / "config", [folder / "fetal-brain.yaml"])
    assert f"{alone.results}/tables/table6_transfer.csv" in alone.table_files("table6")
    run.sets["tfbs"] = {name: one | {"transfer": []} for name, one in run.sets["tfbs"].items()}
    assert not any("transfer" in name for name in run.table_files("table6_extended"))
