"""Tokens, pooling, encoders of tiny BERT folders, heads and predictions."""

import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from finetune_inputs import SETTINGS, finetune, make_folder, toy
from hypothesis import given
from hypothesis import strategies as st
from method_inputs import examples

from genebert.errors import InputError
from genebert.evaluation.kinds.two_class import TwoClass
from genebert.genome.bases import decode, reverse_complement
from genebert.genome.bases import encode as encode_bases
from genebert.genome.kmers import kmer_sentence
from genebert.methods import classifier
from genebert.methods.classifier import Classifier, Features, Probe, encode, predict
from genebert.models.attention import ATTENTION
from genebert.models.bert import load_encoder, pool
from genebert.models.genebert import GeneBERT
from genebert.models.tokens import Tokens
from genebert.models.tokens import tokenise as tokenise_examples

torch.set_num_threads(1)
TWO = TwoClass({})


def tokenise(sequences: list[str], k: int, max_tokens: int) -> Tokens:
    return tokenise_examples(examples(sequences), k, max_tokens)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_folder(tmp_path_factory.mktemp("model"))


# ------------------------------------------------------------------------------------------------------ tokens


@pytest.mark.parametrize("k", [3, 6])
def test_tokens_are_those_of_the_folders_tokenizer(tmp_path, k, monkeypatch):
    from transformers import AutoTokenizer

    monkeypatch.setattr("genebert.models.tokens.ROWS", 2)  # several pieces
    make_folder(tmp_path, k)
    sequences = ["ACGTTGCANN", "acgtac", "GGGGGGGGCC", "TTTTTTACGTACGT", "CATGATTA"]
    found = tokenise(sequences, k, 64)
    expected = AutoTokenizer.from_pretrained(tmp_path)([kmer_sentence(s.upper(), k) for s in sequences], padding=True)
    ids, mask = found.batch(torch.arange(5))
    assert ids.tolist() == expected["input_ids"]
    assert mask.tolist() == expected["attention_mask"]


@given(st.lists(st.text("ACGTN", min_size=3, max_size=20), min_size=1, max_size=6))
def test_batches_are_as_wide_as_their_longest(sequences):
    tokens = tokenise(sequences, 3, 64)
    assert tokens.lengths.tolist() == [len(sequence) for sequence in sequences]  # n - 3 + 1 k-mers, [CLS], [SEP]
    for i, sequence in enumerate(sequences):
        ids, mask = tokens.batch(torch.tensor([i]))
        assert ids.dtype == torch.int64
        assert ids[0, 0] == 2 and ids[0, len(sequence) - 1] == 3
        assert (ids[0, : len(sequence)] != 0).all() and (ids[0, len(sequence) :] == 0).all()
        assert (mask is None) == (len(set(map(len, sequences))) == 1)


def test_sequence_that_does_not_fit(folder):
    assert tokenise(["A" * 64], 3, 64).ids.shape == (1, 64)  # 62 k-mers and two specials
    with pytest.raises(InputError, match=r"row 1 has 65 bases, 65 tokens; expected at most 64.*64 bases"):
        tokenise(["ACG", "A" * 65], 3, 64)
    with pytest.raises(InputError, match="row 1 has 2 bases; expected at least 3"):
        tokenise(["ACG", "AC"], 3, 64)
    tables = dict.fromkeys(("train", "valid"), toy(8, 0)) | {"test": toy(8, 1).assign(sequence="A" * 65)}
    with pytest.raises(InputError, match="test: row 0 has 65 bases"):
        finetune(folder, tables, SETTINGS, 0)


# ------------------------------------------------------------------------------------------------------ the network


@pytest.mark.parametrize("head", ["BertForMaskedLM", "BertForPreTraining", "BertForSequenceClassification"])
def test_encoder_is_loaded_from_any_bert(tmp_path, head, capfd, caplog):
    import transformers

    make_folder(tmp_path, head=head)
    encoder = load_encoder(tmp_path, 0.3)
    whole = getattr(transformers, head).from_pretrained(tmp_path)
    state = encoder.state_dict()
    assert state and all(torch.equal(value, whole.bert.state_dict()[name]) for name, value in state.items())
    assert not any(name.startswith("pooler") for name in state)
    assert encoder.config._attn_implementation == ATTENTION
    assert {m.p for m in encoder.modules() if isinstance(m, torch.nn.Dropout)} == {0.3}


@pytest.mark.parametrize(("given", "used"), [(None, 0.3), (0.0, 0.0), (0.2, 0.2)])
def test_dropout_of_attention_is_that_of_states_unless_given(tmp_path, given, used):
    make_folder(tmp_path)
    for layer in load_encoder(tmp_path, 0.3, given).encoder.layer:
        assert (layer.attention.self.dropout.p, layer.output.dropout.p) == (used, 0.3)


def test_loading_says_nothing_and_leaves_the_librarys_voice(tmp_path, capfd):
    from transformers.utils import logging as library

    make_folder(tmp_path, head="BertForPreTraining")
    capfd.readouterr()
    before = library.get_verbosity(), library.is_progress_bar_enabled()
    load_encoder(tmp_path, 0.1)
    assert capfd.readouterr() == ("", "")
    assert (library.get_verbosity(), library.is_progress_bar_enabled()) == before


def test_weights_may_be_a_pickle_as_dnabert_publishes_them(tmp_path):
    make_folder(tmp_path)
    encoder = load_encoder(tmp_path, 0.1)
    torch.save({f"bert.{name}": value for name, value in encoder.state_dict().items()}, tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    again = load_encoder(tmp_path, 0.1)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in encoder.state_dict().items())


SEQUENCES = ["ACGTTGCA", "TTGACGTACGATCGATTACG", "GGGATCGG"]


def lively(folder: Path, pooling: str) -> Classifier:
    """Return a classifier whose scores differ between sequences."""
    torch.manual_seed(0)
    model = Classifier(load_encoder(folder, 0.1), partial(TWO.states, pooling=pooling, k=3), 2, 0.1, 32)
    torch.nn.init.normal_(model.linear.weight, std=0.3)
    return model.eval()


@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
def test_padding_changes_nothing(folder, pooling):
    """A sequence scores the same alone and beside a longer one, and as by hand from its last hidden states."""
    model = lively(folder, pooling)
    together = predict(model, tokenise(SEQUENCES, 3, 64), TWO, "float32")
    alone = [predict(model, tokenise([sequence], 3, 64), TWO, "float32")[0] for sequence in SEQUENCES]
    assert together == pytest.approx(alone, abs=1e-6)
    assert together.std() > 0.01
    ids, _ = tokenise(SEQUENCES[:1], 3, 64).batch(torch.arange(1))
    with torch.no_grad():
        states = model.encoder(input_ids=ids, token_type_ids=torch.zeros_like(ids)).last_hidden_state[0]
        assert len(states) == 8  # six 3-mers, [CLS] and [SEP]
        state = {"cls": states[0], "mean": sum(states) / 8, "max": states.max(0).values}[pooling]
        expected = torch.softmax(model.linear.weight @ state + model.linear.bias, 0)[1]
    assert alone[0] == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@given(st.lists(st.integers(1, 7), min_size=1, max_size=5), st.integers(0, 99))
def test_pooling_is_that_of_pretraining(pooling, lengths, seed):
    lengths = torch.tensor(lengths)
    longest = int(lengths.max())
    states = torch.randn(len(lengths), longest, 4, generator=torch.Generator().manual_seed(seed))
    model = SimpleNamespace(settings=SimpleNamespace(losses=SimpleNamespace(pooling=pooling)))
    expected = GeneBERT.pool(model, states, SimpleNamespace(label=lengths, lengths=lengths))
    mask = (torch.arange(longest) < lengths[:, None]).long()
    assert torch.allclose(pool(states, mask, pooling), expected, atol=1e-6)
    if (lengths == longest).all():
        assert torch.allclose(pool(states, None, pooling), expected, atol=1e-6)


@given(st.lists(st.text("ACGTN", min_size=6, max_size=20), min_size=1, max_size=6), st.integers(3, 6))
def test_both_strands(sequences, k):
    opposite = [decode(reverse_complement(encode_bases(sequence))) for sequence in sequences]
    expected = tokenise([*sequences, *opposite], k, 64)
    found = tokenise(sequences, k, 64).both_strands(k)
    assert torch.equal(found.ids, expected.ids) and torch.equal(found.lengths, expected.lengths)
    assert found.padded == expected.padded and found.ids.dtype == torch.int16


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_bfloat16_keeps_scores_apart(folder, pooling):
    model = lively(folder, pooling)
    tokens = tokenise(toy(200, 2)["sequence"].tolist(), 3, 64)
    exact, rounded = (predict(model, tokens, TWO, precision) for precision in ("float32", "bfloat16"))
    assert not np.array_equal(exact, rounded)
    assert np.abs(exact - rounded).max() < 0.02
    assert len(np.unique(rounded)) > 0.95 * len(np.unique(exact))


# ------------------------------------------------------------------------------------------------------ probe


def test_features_are_what_a_classifier_pools(folder, monkeypatch):
    monkeypatch.setattr(classifier, "PREDICT_BATCH", 2)  # several batches, of sequences sorted by length
    model = lively(folder, "mean")
    tokens = tokenise(SEQUENCES, 3, 64)
    model.train()  # dropout would show
    features = encode(model.encoder, tokens, model.reading, "float32")
    assert features.values.shape == (3, 32) and features.values.dtype == torch.float32
    assert not features.values.requires_grad
    model.eval()
    for values, sequence in zip(features.values, SEQUENCES, strict=True):
        ids, _ = tokenise([sequence], 3, 64).batch(torch.arange(1))
        with torch.no_grad():
            assert torch.allclose(values, model.encoder(input_ids=ids).last_hidden_state[0].mean(0), atol=1e-6)


def test_probe_standardises_with_training_values():
    rng = np.random.default_rng(0)
    training = (5 + rng.normal(size=(50, 3)) * [1e-3, 1.0, 0.0]).astype(np.float32)
    probe = Probe(Features(torch.from_numpy(training)), 2, 0.1, 0.02).eval()
    assert set(dict(probe.named_buffers())) == {"mean", "sd"}
    assert {name for name, _ in probe.named_parameters()} == {"linear.weight", "linear.bias"}
    assert probe.mean.numpy() == pytest.approx(training.mean(0), rel=1e-6)
    assert probe.sd.numpy() == pytest.approx([*training.std(0)[:2], 1], rel=1e-3)  # a constant stays one
    other = (5 + rng.normal(size=(4, 3))).astype(np.float32)
    weight, bias = probe.linear.weight.detach().numpy(), probe.linear.bias.detach().numpy()
    logits = (other - probe.mean.numpy()) / probe.sd.numpy() @ weight.T + bias
    expected = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    assert predict(probe, Features(torch.from_numpy(other)), TWO) == pytest.approx(expected, rel=1e-4)


# ------------------------------------------------------------------------------------------------------ bad folders


def test_folder_without_a_bert(tmp_path):
    with pytest.raises(InputError, match=r"vocab\.txt: cannot be read"):
        finetune(tmp_path, dict.fromkeys(("train", "valid", "test"), toy(8, 0)), SETTINGS, 0)
    make_folder(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "gpt2"}))
    with pytest.raises(InputError, match=r"model_type 'gpt2'; expected a Hugging Face folder of a BERT"):
        load_encoder(tmp_path, 0.1)
    (tmp_path / "config.json").unlink()
    with pytest.raises(InputError, match="model_type None"):
        load_encoder(tmp_path, 0.1)


def test_folder_with_bad_weights(tmp_path):
    from safetensors.torch import load_file, save_file

    weights = make_folder(tmp_path) / "model.safetensors"
    tensors = load_file(weights)
    name = "encoder.layer.1.attention.self.query.weight"
    save_file({key: value for key, value in tensors.items() if key != name}, weights, metadata={"format": "pt"})
    with pytest.raises(InputError, match=f"1 tensors of the encoder are missing, the first is {name}"):
        load_encoder(tmp_path, 0.1)
    save_file(tensors | {name: torch.zeros(3, 3)}, weights, metadata={"format": "pt"})
    with pytest.raises(InputError, match="weights cannot be loaded"):
        load_encoder(tmp_path, 0.1)
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"model\.safetensors: cannot be read"):
        load_encoder(tmp_path, 0.1)
    weights.unlink()
    with pytest.raises(InputError, match=r"holds no weights; expected model\.safetensors or pytorch_model\.bin"):
        load_encoder(tmp_path, 0.1)
