"""SpliceAI's networks as methods: learning, the schedule, ensembles, saved ones, the published files."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from splice_blocks import BLOCK, average_precision, gene_blocks, gene_sets, make, write_keras

from genebert.errors import InputError
from genebert.evaluation.kinds.two_class import TwoClass
from genebert.methods import dilated_cnn
from genebert.methods.base import Unavailable
from genebert.methods.dilated_cnn import BATCHES, DilatedCnnModel, DilatedCnnSettings, PublishedModel
from genebert.methods.registry import baselines, find_method
from genebert.models.spliceai import PUBLISHED, SpliceNet

torch.set_num_threads(1)
QUICK = {"batch": 6, "epochs": 2, "precision": "float32"}


@pytest.fixture(scope="module")
def sets():
    return gene_sets()


@pytest.fixture(scope="module")
def fitted(sets):
    return make(batch=6, epochs=12, learning_rate=4e-3, precision="float32").fit(sets["train"], sets["valid"], 1)


def test_it_learns_planted_sites(fitted, sets):
    scores = fitted.score(sets["test"])
    assert scores.shape == (len(sets["test"]), BLOCK, 3) and scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(-1), 1, atol=1e-5)
    assert average_precision(sets["test"], scores) > 0.95
    # Labels are not read: those that are not evaluated least of all.
    table = sets["test"].table.assign(label=[np.full(BLOCK, -1, np.int8)] * len(scores))
    blind = type(sets["test"])(table, "blind", genes=sets["test"].genes)
    assert np.array_equal(fitted.score(blind), scores)


def test_the_schedule_is_the_published_one(sets):
    record = make(epochs=9, batch=100, precision="float32").fit(sets["valid"], sets["valid"], 0).record
    rates = [epoch["learning_rate"] for epoch in record["settings"]["networks"][0]["history"]]
    np.testing.assert_allclose(rates, [1e-3] * 6 + [5e-4, 2.5e-4, 1.25e-4])
    assert DilatedCnnSettings().epochs == 10 and BATCHES == {80: 18, 400: 18, 2000: 12, 10000: 6}


def test_names_contexts_and_batches():
    found = {name: make(name).settings.context for name in baselines("base-classes") if name.startswith("spliceai-")
             and name != "spliceai-published"}  # fmt: skip
    assert found == {"spliceai-80": 80, "spliceai-400": 400, "spliceai-2k": 2000, "spliceai-10k": 10000}
    assert make("spliceai-80", context=400).settings.context == 400
    few = gene_blocks(2, 0)
    record = make("spliceai-2k", epochs=1, precision="float32").fit(few, few, 0).record
    assert record["settings"]["context"] == 2000 and record["settings"]["batch"] == 12
    assert not set(found) & set(baselines("two-class"))


def test_equal_seeds_are_equal_and_others_are_not(sets):
    first, again, other = (
        make(**QUICK).fit(sets["valid"], sets["valid"], seed).score(sets["test"]) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_the_callers_random_state_stays(sets):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    make(batch=100, epochs=1).fit(sets["valid"], sets["valid"], 1)
    assert torch.equal(before, torch.get_rng_state())


def test_a_part_of_the_blocks_without_a_site(sets):
    """Sites look more likely among fewer other bases; what is taken off the network's last biases is that."""
    labels = [np.where(i % 2, 0, one).astype(np.int8) for i, one in enumerate(sets["train"].table["label"])]
    train = replace(sets["train"], table=sets["train"].table.assign(label=labels))
    still = {"epochs": 1, "batch": 6, "precision": "float32", "learning_rate": 1e-12}
    whole, part = (make(**still, negatives=share).fit(train, sets["valid"], 0) for share in (1.0, 0.2))
    kept = part.record["negatives"]
    assert whole.record["negatives"] == 1 and 0.3 < kept < 0.7
    difference = (part.networks[0].last.bias - whole.networks[0].last.bias).tolist()
    assert difference == pytest.approx([0, np.log(kept), np.log(kept)], abs=1e-4)


def test_an_ensemble_is_the_mean_of_networks_of_which_the_first_is_that_of_one(sets):
    alone = make(**QUICK).fit(sets["valid"], sets["valid"], 3)
    both = make(**QUICK, ensemble=2).fit(sets["valid"], sets["valid"], 3)
    parts = [
        DilatedCnnModel("spliceai-80", both.kind, {}, (network,), "float32").score(sets["test"])
        for network in both.networks
    ]
    assert np.array_equal(parts[0], alone.score(sets["test"])) and not np.array_equal(*parts)
    np.testing.assert_allclose(both.score(sets["test"]), (parts[0] + parts[1]) / 2, atol=1e-6)
    assert len(both.record["settings"]["networks"]) == 2


@pytest.mark.parametrize("size", [1, 7 * (BLOCK + 80)])
def test_scores_do_not_depend_on_how_many_are_scored_at_once(fitted, sets, monkeypatch, size):
    whole = fitted.score(sets["test"])
    monkeypatch.setitem(dilated_cnn.SCORED, "cpu", size)
    np.testing.assert_allclose(fitted.score(sets["test"]), whole, atol=1e-6)


@pytest.mark.parametrize("ensemble", [1, 2])
def test_a_saved_one_scores_the_same(tmp_path, sets, ensemble):
    model = make(**QUICK, ensemble=ensemble).fit(sets["valid"], sets["valid"], 3)
    (tmp_path / "kept").mkdir()
    model.write(tmp_path / "kept")
    back = DilatedCnnModel.read(tmp_path / "kept", model.method, model.kind, model.record)
    assert np.array_equal(back.score(sets["test"]), model.score(sets["test"]))
    (tmp_path / "kept/model.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"model\.safetensors: cannot be read"):
        DilatedCnnModel.read(tmp_path / "kept", model.method, model.kind, model.record)


def test_bfloat16_tells_nearly_the_same(fitted, sets):
    other = DilatedCnnModel(fitted.method, fitted.kind, {}, fitted.networks, "bfloat16").score(sets["test"])
    exact = fitted.score(sets["test"])
    assert not np.array_equal(other, exact)
    np.testing.assert_allclose(other, exact, atol=0.1)
    assert average_precision(sets["test"], other) == pytest.approx(average_precision(sets["test"], exact), abs=0.01)


def test_bad_input(sets):
    with pytest.raises(InputError, match="spliceai-80: found a task of kind two-class, expected base-classes"):
        find_method("spliceai-80")(TwoClass({}), {}, {}, {})
    with pytest.raises(InputError, match=r"dilated_cnn\.context: found 81, expected"):
        make(context=81)
    uneven = sets["valid"].table.copy()
    uneven.loc[0, "end"] += 1
    uneven = type(sets["valid"])(uneven, "valid", genes=sets["valid"].genes)
    with pytest.raises(
        InputError, match=r"spliceai-80: valid: found blocks of 100 to 101 bases, expected .* one length"
    ):
        make(**QUICK).fit(uneven, uneven, 0)
    with pytest.raises(InputError, match="spliceai-80: training diverged in epoch 1 with seed 0"):
        make(**QUICK | {"learning_rate": 1e30}).fit(sets["valid"], sets["valid"], 0)


# ------------------------------------------------------------------------------------------------------- as published


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A folder with five files of the published form."""
    folder = tmp_path / "models"
    folder.mkdir()
    for seed, name in enumerate(PUBLISHED):
        torch.manual_seed(seed)
        write_keras(folder / name, SpliceNet(10000))
    monkeypatch.setenv("GENEBERT_SPLICEAI", str(folder))
    return folder


def test_the_published_ensemble(installed, tmp_path):
    test = gene_blocks(1, 0, "test")
    method = make("spliceai-published")
    model = method.fit(test, test, 0)
    scores = model.score(test)
    with torch.inference_mode():
        codes = torch.from_numpy(test.codes(slice(0, 1), flank=5000)[0])
        by_hand = [network(codes).softmax(-1)[0].numpy() for network in model.networks]
    np.testing.assert_allclose(scores[0], np.mean(by_hand, axis=0), atol=1e-6)
    assert len(model.networks) == 5 and set(model.record["settings"]["files"]) == set(PUBLISHED)
    assert model.record["method"]["held_out"] == ["chr1", "chr3", "chr5", "chr7", "chr9"]

    # A saved one holds no weights, and comes back from the same files only.
    model.save(tmp_path / "kept")
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["classifier.json"]
    about = tmp_path / "kept", model.method, model.kind, model.record
    assert np.array_equal(PublishedModel.read(*about).score(test), scores)
    write_keras(installed / PUBLISHED[2], SpliceNet(10000))
    with pytest.raises(
        InputError, match=r"kept: found other files of the package spliceai, expected those with the SHA"
    ):
        PublishedModel.read(*about)
    (installed / PUBLISHED[2]).unlink()
    with pytest.raises(InputError, match="kept: found no files of the package spliceai"):
        PublishedModel.read(*about)
    with pytest.raises(
        Unavailable, match=r"spliceai1\.h5 to spliceai5\.h5 are not (here|in .*): install .* non-commercial"
    ):
        make("spliceai-published")
