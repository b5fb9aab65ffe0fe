"""Embeddings of drawn samples, of models of both layouts and all ways of pooling."""

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from genebert.corpus.drawn import Embeddings
from genebert.corpus.groups import Groups
from genebert.errors import InputError
from genebert.genome.kmers import CLS, SEP, kmer_ids
from genebert.genome.sequences import RegionSequences
from genebert.models import embedding
from genebert.models.embedding import EmbedJob, embed_samples, read_model, write_embeddings
from genebert.models.genebert import GeneBERT
from genebert.settings.models import LossSettings, ModelSettings, RegionEncoderSettings, SequenceEncoderSettings

BERT = SequenceEncoderSettings(1, 16, 2, 32, 0.1, 0.1, 128, weights=None)
ENCODER = RegionEncoderSettings("region-transformer", "fold", None, {"layers": 1, "hidden": 16, "heads": 2})
SETTINGS = ModelSettings(3, "concatenated", BERT, ENCODER, LossSettings(pooling="regions"))
WIDTH = 4  # regions a sample


def make_model(settings=SETTINGS):
    torch.manual_seed(0)
    return GeneBERT(settings, torch.zeros(5), torch.ones(5), WIDTH).eval()


def make_sequences(n=60, seed=0):
    generator = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(generator.integers(8, 20, n))])
    return RegionSequences(generator.integers(0, 4, offsets[-1]).astype(np.uint8), offsets, "toy")


def by_hand(model, sequences, regions):
    """E_seq of one sample by the model's BERT alone, one sequence at a time, without padding."""
    parts = [kmer_ids(np.asarray(sequences[r]), 3).tolist() for r in regions]
    bert = model.sequence_encoder.bert

    def states(ids, segments):
        with torch.no_grad():
            return bert(torch.tensor([ids]), token_type_ids=torch.tensor([segments])).last_hidden_state[0]

    if model.settings.layout == "windows":
        rows = [states([CLS, *part, SEP], [0] * (len(part) + 2)) for part in parts]
        means = [row[1:-1].mean(0) for row in rows]
        all_tokens, cls = torch.cat(rows).mean(0), torch.stack([row[0] for row in rows]).mean(0)
    else:
        a, b = parts[0] + parts[1], parts[2] + parts[3]
        row = states([CLS, *a, SEP, *b, SEP], [0] * (len(a) + 2) + [1] * (len(b) + 1))
        ends = np.cumsum([len(part) for part in parts])
        kmers = torch.cat([row[1 : len(a) + 1], row[len(a) + 2 : -1]])
        means = [kmers[end - len(part) : end].mean(0) for part, end in zip(parts, ends, strict=True)]
        all_tokens, cls = row.mean(0), row[0]
    return {"regions": torch.cat(means), "mean": all_tokens, "cls": cls}[model.settings.losses.pooling].numpy()


@pytest.mark.parametrize("layout", ["concatenated", "windows"])
@pytest.mark.parametrize("pooling", ["regions", "mean", "cls"])
def test_embeddings_are_the_states_pooled_by_hand(layout, pooling):
    model = make_model(replace(SETTINGS, layout=layout, losses=LossSettings(pooling=pooling)))
    sequences, regions = make_sequences(), np.arange(44).reshape(11, WIDTH)  # more than a batch, of unequal lengths
    found = embed_samples(model, sequences, regions)
    assert found.dtype == np.float32 and found.shape == (11, 16 * WIDTH if pooling == "regions" else 16)
    for row, sample in zip(found, regions, strict=True):
        assert row == pytest.approx(by_hand(model, sequences, sample), abs=2e-6)
    assert np.array_equal(found, embed_samples(model, sequences, regions))  # no dropout, no mask


@pytest.mark.parametrize("settings", [SETTINGS, replace(SETTINGS, losses=LossSettings(contrast="regions"))])
def test_pooling_is_the_models_own_or_another(tmp_path, settings):
    make_model(settings).save(tmp_path / "model", {"regions_per_sample": WIDTH})
    assert read_model(tmp_path / "model", "own").settings.losses == settings.losses
    assert read_model(tmp_path / "model", "mean").settings.losses.pooling == "mean"
    sequences, regions = make_sequences(), np.arange(8).reshape(2, WIDTH)
    own, mean = (embed_samples(read_model(tmp_path / "model", how), sequences, regions) for how in ("own", "mean"))
    assert own.shape == (2, 16 * WIDTH) and mean.shape == (2, 16)


def make_run(folder, types=3, samples=4):
    """A corpus whose types share the first half of their regions, its sequences, and two models."""
    make_sequences().save(folder / "sequences")
    parts = []
    for t in range(types):
        own = np.arange(16 + 8 * t, 24 + 8 * t)
        parts.append(np.concatenate([np.arange(8), own]).reshape(samples, WIDTH))
    n = types * samples
    types = np.repeat(np.arange(types), samples)
    groups = Groups(
        np.concatenate(parts).astype(np.int32), types.astype(np.int16), types.astype(np.int32), np.zeros(n, np.uint8)
    )
    groups.save(folder / "corpus")
    (folder / "corpus" / "corpus.json").write_text(json.dumps({"cell_types": ["A", "B", "C"]}))
    make_model().save(folder / "multi", {"regions_per_sample": WIDTH})
    # As an untrained model is: without a region encoder.
    bare = replace(SETTINGS, losses=LossSettings(mgm=False, ngsp=False, srm=None))
    make_model(bare).save(folder / "bare", {"regions_per_sample": WIDTH})
    return folder


JOB = EmbedJob(cell_types=3, samples=10, least=2, pooling="own", seed=1, region_bp=None)


def embedded(run, model, job=JOB):
    write_embeddings(job, run / model, run / "sequences", run / "corpus", run / f"{model}.npz")
    return Embeddings.load(run / f"{model}.npz")


def test_all_models_embed_the_same_samples(tmp_path):
    run = make_run(tmp_path)
    one, other = embedded(run, "multi"), embedded(run, "bare")
    assert len(one.drawn) == 12 and one.names.tolist() == ["A", "B", "C"] and one.available.tolist() == [4, 4, 4]
    assert (one.drawn.regions == other.drawn.regions).all() and one.values.shape == other.values.shape == (12, 64)
    assert one.specific.cell_type.tolist() == [0, 0, 1, 1, 2, 2] and (one.specific.regions >= 16).all()
    sequences = RegionSequences.load(run / "sequences")
    expected = embed_samples(GeneBERT.load(run / "bare").eval(), sequences, other.specific.regions)
    assert np.array_equal(other.specific_values, expected)
    again = embedded(run, "multi")
    assert np.array_equal(again.values, one.values)


def test_regions_are_shown_as_in_pre_training(tmp_path):
    run = make_run(tmp_path)
    cropped = embedded(run, "bare", replace(JOB, region_bp=7))
    sequences = RegionSequences.load(run / "sequences").crop(7)
    expected = embed_samples(GeneBERT.load(run / "bare").eval(), sequences, cropped.drawn.regions)
    assert np.array_equal(cropped.values, expected)
    assert not np.array_equal(cropped.values, embedded(run, "bare").values)


def test_too_few_samples_without_shared_regions_are_none(tmp_path):
    found = embedded(make_run(tmp_path), "bare", replace(JOB, least=4))
    assert len(found.specific) == len(found.specific_values) == 0 and len(found.drawn) == 12


def test_a_type_with_too_few_samples_is_told(tmp_path, caplog):
    run = make_run(tmp_path)
    groups = Groups.load(run / "corpus")
    keep = np.arange(len(groups)) < 9  # one sample of the last type
    Groups(*(array[keep] for array in vars(groups).values())).save(run / "corpus")
    with caplog.at_level(logging.WARNING):
        found = embedded(run, "bare")
    assert "C: left out, with 1 training samples; expected at least 2" in caplog.messages
    assert set(found.drawn.cell_type) == {0, 1} and found.available.tolist() == [4, 4, 1]


def test_a_model_that_gives_no_numbers_is_one_sentence(tmp_path, monkeypatch):
    run = make_run(tmp_path)
    monkeypatch.setattr(embedding, "embed_samples", lambda *_: np.array([[1, np.nan], [1, 2]], np.float32))
    with pytest.raises(InputError, match="bare: embeddings of 1 of 2 samples are not finite; expected numbers"):
        embedded(run, "bare")
    assert not (run / "bare.npz").exists()


def test_samples_that_are_cut_are_told(caplog):
    short = replace(SETTINGS, sequence_encoder=replace(BERT, max_tokens=20))
    with caplog.at_level(logging.WARNING):
        embed_samples(make_model(short), make_sequences(), np.arange(8).reshape(2, WIDTH))
    assert "2 of 2 samples are cut to the model's 20 positions" in caplog.messages
