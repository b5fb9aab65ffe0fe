"""Fine-tuning on classes of bases: learning, windows in and out, drawn windows, probes, files, what is refused."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from finetune_inputs import make_folder
from splice_blocks import BLOCK, average_precision, gene_sets

from genebert.errors import InputError
from genebert.evaluation.kinds.base_classes import BaseClasses
from genebert.methods import tagger as module
from genebert.methods.registry import find_method, load_classifier
from genebert.settings.fitting import TaggerSettings

torch.set_num_threads(1)
KIND = BaseClasses({})
SETTINGS = TaggerSettings(
    learning_rate=5e-3, epochs=8, batch=16, patience=8, dropout=0.0, attention_dropout=0.0, precision="float32"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_folder(tmp_path_factory.mktemp("model"), positions=128)


@pytest.fixture(scope="module")
def genes():
    return gene_sets(80)


def first(blocks, n: int):
    """Return the first blocks."""
    return replace(blocks, table=blocks.table.iloc[:n])


def make(folder: Path, settings: TaggerSettings = SETTINGS, **changes):
    return find_method("tag")(KIND, asdict(replace(settings, **changes)), {"model": folder}, {})


@pytest.fixture(scope="module")
def fitted(folder, genes):
    return make(folder).fit(genes["train"], genes["valid"], 0)


@pytest.fixture(scope="module")
def quick(genes):
    """A few genes, for tests of what does not depend on learning."""
    return {name: first(one, 9) for name, one in gene_sets(6).items()}


# ------------------------------------------------------------------------------------------------------ learning


def test_learns_sites(fitted, genes):
    """Random scores reach the share of sites, about 0.01."""
    assert average_precision(genes["test"], fitted.score(genes["test"])) > 0.5
    assert fitted.record["history"][0]["valid_auprc"] < fitted.record["history"][-1]["valid_auprc"]


def test_scores_are_those_of_the_best_epoch(fitted, genes):
    history, best = fitted.record["history"], fitted.record["best_epoch"]
    assert history[best - 1]["valid_auprc"] == max(epoch["valid_auprc"] for epoch in history)
    value = KIND.select(genes["valid"], fitted.score(genes["valid"]))
    assert value == pytest.approx(history[best - 1]["valid_auprc"], abs=1e-9)


def test_scores_are_probabilities_of_every_base(fitted, genes, monkeypatch):
    scores = fitted.score(genes["test"])
    assert scores.shape == (len(genes["test"]), BLOCK, 3) and scores.dtype == np.float32
    assert scores.sum(-1) == pytest.approx(1, abs=1e-5)
    monkeypatch.setattr(module, "SCORED", 1)  # a block at a time
    assert fitted.score(genes["test"]) == pytest.approx(scores, abs=1e-5)


def test_where_a_window_begins_hardly_matters(fitted, genes):
    """The stated bound of the effect of borders: docs/tasks.md. Blocks that begin 37 bases later give other windows."""
    shift, test = 37, genes["test"]
    table = test.table.assign(start=test.table["start"] + shift, end=test.table["end"] + shift)
    scores, moved = fitted.score(test), fitted.score(replace(test, table=table))
    difference = np.abs(scores[:, shift:] - moved[:, :-shift])[test.labels[:, shift:] >= 0]
    assert difference.mean() < 0.01 and (difference > 0.1).mean() < 0.02
    assert difference.max() > 0  # they are other windows


def test_the_record_says_what_was_read(fitted):
    settings, how = fitted.record["settings"], fitted.record["method"]
    assert (settings["context"], settings["window_bp"], settings["core_bp"]) == (None, 128, 96)
    assert "pooling" not in settings and fitted.record["negatives"] == 1
    assert how["classifier"] == (
        "linear, three logits of every base, on the mean of the last hidden states of the k-mers that cover a base"
    )


def test_a_context_in_pieces_is_read_too(folder, quick):
    found = make(folder, context=300, epochs=1).fit(quick["train"], quick["valid"], 0)
    assert found.network.linear.in_features == 64 and found.record["settings"]["piece_bp"] == 116
    assert found.record["settings"]["window_bp"] > 300
    assert "mean of these over its context" in found.record["method"]["classifier"]
    assert found.score(quick["test"]).shape == (9, BLOCK, 3)


# ------------------------------------------------------------------------------------------------------ drawn windows


def test_each_epoch_draws_other_windows_and_all_sites(folder, quick):
    method = make(folder, context=20, negatives=0.3)
    training = method.training(quick["train"], method.settings, 0)
    first, second, again = (training.epoch(number) for number in (1, 2, 1))
    assert all(
        len(target) == len(order) == len(inputs.lengths) == training.n for inputs, target, order in (first, second)
    )
    assert int((first[1] > 0).sum()) == int((second[1] > 0).sum()) == int((quick["train"].labels > 0).sum())
    assert torch.equal(first[0].ids, again[0].ids) and torch.equal(first[2], again[2])
    assert not torch.equal(first[0].ids, second[0].ids) and not torch.equal(first[2], second[2])


def test_prevalence_is_restored(folder, genes):
    """With a part of the windows without a site, the mean probability of a site is still that among all bases."""
    settings = replace(SETTINGS, context=40, epochs=3)
    whole = make(folder, settings).fit(genes["train"], genes["valid"], 0)
    part = make(folder, settings, negatives=0.1).fit(genes["train"], genes["valid"], 0)
    assert part.record["negatives"] < 0.7 and whole.record["negatives"] == 1
    test = genes["test"]
    known = test.labels >= 0
    share = (test.labels[known] > 0).mean()
    means = [one.score(test)[known][:, 1:].sum(-1).mean() for one in (whole, part)]
    assert means == pytest.approx([share] * 2, rel=0.4)


# ------------------------------------------------------------------------------------------------------ other ways


def test_same_seed_same_scores_and_other_seeds_differ(folder, quick):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    method = make(folder, epochs=2, negatives=0.5)
    first, second, other = (method.fit(quick["train"], quick["valid"], seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    scores = [one.score(quick["test"]) for one in (first, second, other)]
    assert np.array_equal(scores[0], scores[1]) and not np.array_equal(scores[0], scores[2])


@pytest.mark.parametrize("changes", [{}, {"context": 300}, {"frozen": True, "context": 40, "negatives": 0.5}])
def test_saved_and_read_again(folder, quick, tmp_path, changes):
    found = make(folder, epochs=1, **changes).fit(quick["train"], quick["valid"], 0)
    found.save(tmp_path / "kept")
    assert np.array_equal(load_classifier(tmp_path / "kept").score(quick["test"]), found.score(quick["test"]))


def test_a_probe_leaves_the_encoder(folder, genes):
    """Of k-mers that nobody has trained a probe learns a little: the sites' own letters."""
    found = make(folder, frozen=True, learning_rate=2e-2, context=40, epochs=4).fit(genes["train"], genes["valid"], 0)
    assert average_precision(genes["test"], found.score(genes["test"])) > 0.05
    before = module.WindowEncoder(folder, KIND).frozen.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in found.encoder.frozen.state_dict().items())


def test_a_grid_over_contexts(folder, quick):
    found = make(folder, epochs=1, grid={"context": [20, 300]}).fit(quick["train"], quick["valid"], 0)
    trials = found.record["grid_search"]["trials"]
    assert [trial["settings"] for trial in trials] == [{"context": 20}, {"context": 300}]
    assert found.record["settings"]["context"] == found.record["grid_search"]["chosen"]["context"]


# ------------------------------------------------------------------------------------------------------ refused


def test_both_strands_are_refused(folder):
    for changes in ({"strands": "both"}, {"grid": {"strands": ["given", "both"]}}):
        with pytest.raises(InputError, match=r"finetune\.strands: found both, expected given: a site belongs to one"):
            make(folder, **changes)


def test_blocks_of_several_lengths_are_refused(folder, quick):
    table = quick["train"].table.assign(end=quick["train"].table["end"] + np.arange(9))
    with pytest.raises(InputError, match="tag: train: found blocks of 100 to 108 bases, expected blocks of one length"):
        make(folder).prepare(replace(quick["train"], table=table))


def test_a_model_that_reads_too_few_bases_is_refused(tmp_path):
    with pytest.raises(InputError, match="max_tokens: found 20, expected at least 24"):
        make(make_folder(tmp_path, positions=20))
