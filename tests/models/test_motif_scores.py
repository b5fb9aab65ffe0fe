"""Predicted motif scores: the largest over a region's k-mers, the same in pre-training and in fine-tuning."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from method_inputs import examples
from safetensors.torch import load_file, save_file
from toy_training import MODEL, toy_data, toy_objective, without_dropout

from genebert.corpus.order import Draw
from genebert.errors import InputError
from genebert.genome.sequences import RegionSequences
from genebert.models.genebert import GeneBERT
from genebert.models.motif_scores import About, MotifScores, best_scores
from genebert.models.tokens import tokenise

BEST = replace(MODEL, losses=replace(MODEL.losses, srm="regression", pooling="regions", readout="max"))


def objective_of(settings, data=None):
    torch.manual_seed(0)
    objective = toy_objective(model=without_dropout(settings), data=data or toy_data())
    objective.model.eval()
    return objective


def test_the_largest_of_those_that_are_there():
    each = torch.tensor([[[1.0, 5.0], [2.0, 9.0], [3.0, 4.0]]])
    assert best_scores(each, None).tolist() == [[3.0, 9.0]]
    assert best_scores(each, torch.tensor([[False, True, True]])).tolist() == [[1.0, 5.0]]


@pytest.mark.parametrize("layout", ["concatenated", "windows"])
def test_scores_by_hand(layout):
    """Region by region and k-mer by k-mer; a region without k-mers has the mean."""
    sequences, motifs, groups = toy_data()
    shorter = int(sequences.offsets[4] - sequences.offsets[3]) - 2  # two bases are left of it, and no k-mer
    codes = np.delete(sequences.codes, slice(sequences.offsets[3], sequences.offsets[3] + shorter))
    offsets = np.where(np.arange(len(sequences.offsets)) > 3, sequences.offsets - shorter, sequences.offsets)
    sequences = RegionSequences(codes, offsets, "toy")
    objective = objective_of(replace(BEST, layout=layout), (sequences, motifs, groups))
    model = objective.model
    regions = np.arange(8).reshape(2, 4)
    none = np.zeros(2, np.int64)
    batch = objective.encoder.encode(Draw(regions, none, none))
    hidden = model.encode_sequences(batch.ids, batch.segments, batch.lengths, batch.owners)
    found = model.predicted_scores(hidden, batch)
    assert found.shape == (2, 4, 12) and found.dtype == torch.float32
    states, owners = hidden.reshape(2, -1, 32), batch.owners.reshape(2, -1)
    for sample in range(2):
        for region in range(4):
            mine = model.regression(states[sample][owners[sample] == region])
            expected = mine.max(0).values if len(mine) else torch.zeros(12)
            assert torch.allclose(found[sample, region], expected, atol=1e-6)
    assert not (owners[0] == 3).any() and not found[0, 3].any() and found[1, 3].any()


def test_a_mean_readout_is_the_map_of_the_mean():
    objective = objective_of(replace(BEST, losses=replace(BEST.losses, readout="mean")))
    model, none = objective.model, np.zeros(2, np.int64)
    batch = objective.encoder.encode(Draw(np.arange(8).reshape(2, 4), none, none))
    hidden = model.encode_sequences(batch.ids, batch.segments, batch.lengths, batch.owners)
    expected = model.regression(model.region_means(hidden, batch))
    assert torch.allclose(model.predicted_scores(hidden, batch), expected)


def test_fine_tuning_reads_what_pre_training_predicted(tmp_path):
    """Of sequences of several lengths: neither special tokens nor padding have a score."""
    objective = objective_of(replace(BEST, layout="windows"))
    model = objective.model
    model.motif_ids = [f"MA{i:04}.1" for i in range(12)]
    model.save(tmp_path / "model", {"regions_per_sample": 4})
    scores = MotifScores.read(tmp_path / "model")
    assert scores.motif_ids == GeneBERT.load(tmp_path / "model").motif_ids == model.motif_ids
    regions, none = np.arange(8).reshape(2, 4), np.zeros(2, np.int64)
    batch = objective.encoder.encode(Draw(regions, none, none))
    expected = model.predicted_scores(
        model.encode_sequences(batch.ids, batch.segments, batch.lengths, batch.owners), batch
    ).flatten(0, 1)
    sequences = objective.sequences
    pieces = [sequences.codes[sequences.offsets[i] : sequences.offsets[i + 1]] for i in range(8)]
    text = ["".join("ACGT"[code] for code in piece) for piece in pieces]
    assert len(set(map(len, text))) > 1
    ids, mask = tokenise(examples(text), 3, 512).batch(torch.arange(8))
    states = model.sequence_encoder.bert(ids, attention_mask=mask).last_hidden_state
    assert torch.allclose(scores(states, mask), expected, atol=1e-5)
    alone = [tokenise(examples([one]), 3, 512).batch(torch.arange(1))[0] for one in text]
    for row, one in zip(expected, alone, strict=True):
        assert torch.allclose(scores(model.sequence_encoder.bert(one).last_hidden_state, None)[0], row, atol=1e-5)
    # what a fine-tuned model's folder holds reads the same
    (tmp_path / "kept").mkdir()
    scores.write(tmp_path / "kept")
    again = MotifScores.read(tmp_path / "kept")
    assert again.motif_ids == scores.motif_ids and torch.equal(again.regression.weight, scores.regression.weight)


def test_a_motif_without_a_score_stays_a_constant(tmp_path):
    """One wider than all regions: its unit's first random weights would pass for a motif."""
    sequences, motifs, groups = toy_data()
    motifs[:, 5] = np.nan
    objective = objective_of(BEST, (sequences, motifs, groups))
    model, none = objective.model, np.zeros(2, np.int64)
    batch = objective.encoder.encode(Draw(np.arange(8).reshape(2, 4), none, none))
    outputs = model(batch, batch.ids, torch.zeros_like(batch.ids, dtype=torch.bool))
    outputs.regression.backward()
    for tensor in model.regression.parameters():
        assert not tensor[5].any() and not tensor.grad[5].any() and tensor[[0, 11]].any() and tensor.grad[4].any()
    model.save(tmp_path / "model", {"regions_per_sample": 4})
    assert not MotifScores.read(tmp_path / "model").regression.weight[5].any()


@pytest.mark.parametrize(
    ("changes", "found"),
    [({"readout": "mean"}, "readout mean"), ({"srm": None}, "srm None")],
)
def test_other_models_are_refused(tmp_path, changes, found):
    objective = objective_of(replace(BEST, losses=replace(BEST.losses, **changes)))
    objective.model.save(tmp_path / "model", {"regions_per_sample": 4})
    with pytest.raises(InputError, match=f"found losses.{found}; pooling motifs expects a model"):
        MotifScores.read(tmp_path / "model")


def test_a_damaged_file_is_named(tmp_path):
    objective = objective_of(BEST)
    objective.model.save(tmp_path / "model", {"regions_per_sample": 4})
    path = tmp_path / "model/regression.safetensors"
    (tmp_path / "model/model.json").rename(tmp_path / "kept")  # the file itself says what it is
    assert MotifScores.read(tmp_path / "model").regression.out_features == 12
    whole = path.read_bytes()
    path.write_bytes(whole[:40])
    with pytest.raises(InputError, match=r"regression.safetensors: cannot be read"):
        MotifScores.read(tmp_path / "model")
    save_file(load_file_of(whole, tmp_path), path, metadata=About("max", ["MA0001.1", "MA0002.1"]).metadata())
    with pytest.raises(InputError, match=r"regression.safetensors: found 2 ids of motifs, expected 12"):
        MotifScores.read(tmp_path / "model")
    path.unlink()
    with pytest.raises(InputError, match=r"regression.safetensors: does not exist; pooling motifs expects a model"):
        MotifScores.read(tmp_path / "model")


def load_file_of(content, folder):
    (folder / "whole.safetensors").write_bytes(content)
    return load_file(folder / "whole.safetensors")


@pytest.mark.parametrize("about", ['{"read', "[1]", '{"motifs": 3}'])
def test_metadata_that_say_something_else_are_named(tmp_path, about):
    save_file({"regression.weight": torch.ones(2, 3)}, tmp_path / "regression.safetensors", metadata={"about": about})
    with pytest.raises(
        InputError, match=r"regression.safetensors: found .* in its metadata; expected JSON of a readout"
    ):
        MotifScores.read(tmp_path)


def test_a_map_that_is_none_is_named(tmp_path):
    about = About("max", []).metadata()
    save_file({"regression.weight": torch.ones(3)}, tmp_path / "regression.safetensors", metadata=about)
    with pytest.raises(InputError, match=r"found regression.weight of 1 dimensions, expected motifs x units"):
        MotifScores.read(tmp_path)
