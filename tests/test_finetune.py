"""Fine-tuning of tiny BERT folders: tokens, learning, determinism, early stopping, score files, bad input."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from genebert import classifier, finetune
from genebert.classifier import Classifier, load_encoder, predict, tokenise
from genebert.errors import InputError
from genebert.files import sha256
from genebert.finetune import FinetuneSettings, run_finetune
from genebert.kmers import kmer_sentence, save_tokenizer
from genebert.scores import read_score

torch.set_num_threads(1)
SETTINGS = FinetuneSettings(learning_rate=2e-3, epochs=6, batch=32, patience=6, precision="float32")


def make_folder(folder: Path, k: int = 3, positions: int = 64, seed: int = 0, head: str = "BertModel") -> Path:
    """Write a BERT with 2 layers of 32 and a k-mer tokenizer."""
    import transformers

    config = transformers.BertConfig(
        vocab_size=5 + 4**k, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=positions, initializer_range=0.15,
    )  # fmt: skip
    torch.manual_seed(seed)
    getattr(transformers, head)(config).save_pretrained(folder)
    save_tokenizer(folder, k, positions)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_folder(tmp_path_factory.mktemp("model"))


def toy(n: int, seed: int, length: int = 30) -> pd.DataFrame:
    """Random sequences; positives carry TATAAA somewhere."""
    rng = np.random.default_rng(seed)
    letters = rng.choice(list("ACGT"), size=(n, length))
    label = rng.permutation(np.arange(n) % 2)
    for i in np.flatnonzero(label):
        start = rng.integers(length - 5)
        letters[i, start : start + 6] = list("TATAAA")
    return pd.DataFrame({"sequence": ["".join(row) for row in letters], "label": label.astype(np.int8)})


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return {"train": toy(600, 0), "valid": toy(150, 1), "test": toy(200, 2)}


@pytest.fixture(scope="module")
def result(folder, tables):
    return finetune.finetune(folder, tables, SETTINGS, 0, device="cpu")


# ------------------------------------------------------------------------------------------------------ tokens


@pytest.mark.parametrize("k", [3, 6])
def test_tokens_are_those_of_the_folders_tokenizer(tmp_path, k, monkeypatch):
    from transformers import AutoTokenizer

    monkeypatch.setattr(classifier, "ROWS", 2)  # several pieces
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


def test_sequence_that_does_not_fit(folder, tables):
    assert tokenise(["A" * 64], 3, 64).ids.shape == (1, 64)  # 62 k-mers and two specials
    with pytest.raises(InputError, match=r"row 1 has 65 bases, 65 tokens; expected at most 64.*64 bases"):
        tokenise(["ACG", "A" * 65], 3, 64)
    with pytest.raises(InputError, match="row 1 has 2 bases; expected at least 3"):
        tokenise(["ACG", "AC"], 3, 64)
    long = tables["test"].assign(sequence="A" * 65)
    with pytest.raises(InputError, match="test: row 0 has 65 bases"):
        finetune.finetune(folder, {**tables, "test": long}, SETTINGS, 0, device="cpu")


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
    assert encoder.config._attn_implementation == "sdpa"
    assert {m.p for m in encoder.modules() if isinstance(m, torch.nn.Dropout)} == {0.3}


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


def lively(folder: Path) -> Classifier:
    """Return a classifier whose scores differ between sequences."""
    torch.manual_seed(0)
    model = Classifier(load_encoder(folder, 0.1), 0.1)
    torch.nn.init.normal_(model.linear.weight, std=0.3)
    return model.eval()


def test_padding_changes_nothing(folder):
    """A sequence scores the same alone and beside a longer one, and as by hand from the last hidden state of [CLS]."""
    model = lively(folder)
    sequences = ["ACGTTGCA", "TTGACGTACGATCGATTACG", "GGGATCGG"]
    together = predict(model, tokenise(sequences, 3, 64), "float32")
    alone = [predict(model, tokenise([sequence], 3, 64), "float32")[0] for sequence in sequences]
    assert together == pytest.approx(alone, abs=1e-6)
    assert together.std() > 0.01
    ids, _ = tokenise(sequences[:1], 3, 64).batch(torch.arange(1))
    with torch.no_grad():
        state = model.encoder(input_ids=ids, token_type_ids=torch.zeros_like(ids)).last_hidden_state[0, 0]
        expected = torch.softmax(model.linear.weight @ state + model.linear.bias, 0)[1]
    assert alone[0] == pytest.approx(float(expected), abs=1e-6)


def test_bfloat16_keeps_scores_apart(folder, tables):
    model = lively(folder)
    tokens = tokenise(tables["test"]["sequence"].tolist(), 3, 64)
    exact, rounded = (predict(model, tokens, precision) for precision in ("float32", "bfloat16"))
    assert not np.array_equal(exact, rounded)
    assert np.abs(exact - rounded).max() < 0.02
    assert len(np.unique(rounded)) > 0.95 * len(np.unique(exact))


# ------------------------------------------------------------------------------------------------------ training


def test_learns_the_motif(result, tables):
    assert roc_auc_score(tables["test"]["label"], result.scores["test"]) > 0.9
    assert roc_auc_score(tables["valid"]["label"], result.scores["valid"]) > 0.9
    assert result.history[-1]["train_loss"] < 0.7 * result.history[0]["train_loss"]
    assert (result.k, result.precision, result.device) == (3, "float32", "cpu")
    assert result.seconds > 0


def test_scores_are_those_of_the_best_epoch(result, tables):
    aucs = [epoch["valid_auc"] for epoch in result.history]
    assert result.best_epoch == int(np.argmax(aucs)) + 1
    assert roc_auc_score(tables["valid"]["label"], result.scores["valid"]) == pytest.approx(max(aucs), abs=1e-12)


def test_early_stopping_restores_the_best_epoch(folder, tables, monkeypatch):
    """With the validation AUC dictated, training stops after `patience` epochs and scores epoch 2's weights."""
    small = {name: table[:64] for name, table in tables.items()}
    settings = replace(SETTINGS, epochs=10, patience=2)
    seen, dictated = [], iter([0.6, 0.8, 0.8, 0.7, 0.9])
    monkeypatch.setattr("sklearn.metrics.roc_auc_score", lambda _label, score: seen.append(score) or next(dictated))
    found = finetune.finetune(folder, small, settings, 0, device="cpu")
    assert [epoch["epoch"] for epoch in found.history] == [1, 2, 3, 4]  # an equal AUC is no better one
    assert found.best_epoch == 2
    assert np.array_equal(found.scores["valid"], seen[1]) and not np.array_equal(seen[1], seen[3])


def test_same_seed_same_scores_and_other_seeds_differ(folder, tables):
    small = {name: table[:96] for name, table in tables.items()}
    settings = replace(SETTINGS, epochs=2)
    torch.manual_seed(123)
    state = torch.get_rng_state()
    first = finetune.finetune(folder, small, settings, 7, device="cpu")
    assert torch.equal(torch.get_rng_state(), state)  # the caller's random numbers go on undisturbed
    torch.manual_seed(999)
    second = finetune.finetune(folder, small, settings, 7, device="cpu")
    assert all(np.array_equal(first.scores[name], second.scores[name]) for name in ("valid", "test"))
    assert first.history == second.history
    other = finetune.finetune(folder, small, settings, 8, device="cpu")
    assert not np.array_equal(first.scores["test"], other.scores["test"])


def test_order_depends_on_seed_and_epoch():
    orders = {(seed, epoch): tuple(finetune._order(50, seed, epoch)) for seed in (0, 1) for epoch in (1, 2)}
    assert len(set(orders.values())) == 4
    assert all(sorted(order) == list(range(50)) for order in orders.values())


def test_initial_weights_matter(folder, tables, tmp_path):
    small = {name: table[:64] for name, table in tables.items()}
    settings = replace(SETTINGS, epochs=1)
    other = make_folder(tmp_path, seed=1)
    scores = [finetune.finetune(path, small, settings, 0, device="cpu").scores["test"] for path in (folder, other)]
    assert not np.allclose(*scores)


def test_lengths_may_differ(folder, tables):
    uneven = {
        name: table.assign(sequence=[sequence + "ACGT" * (i % 4) for i, sequence in enumerate(table["sequence"])])
        for name, table in tables.items()
    }
    found = finetune.finetune(folder, uneven, SETTINGS, 0, device="cpu")
    assert roc_auc_score(uneven["test"]["label"], found.scores["test"]) > 0.85


def test_schedule_and_decay(folder):
    model = Classifier(load_encoder(folder, 0.1), 0.1)
    settings = FinetuneSettings(learning_rate=1.0, warmup_fraction=0.2, weight_decay=0.3)
    optimiser, schedule = finetune._optimiser(model, settings, 20)
    decayed, plain = optimiser.param_groups
    assert decayed["weight_decay"] == 0.3 and plain["weight_decay"] == 0
    names = {id(p): name for name, p in model.named_parameters()}
    assert {names[id(p)] for p in plain["params"]} == {n for n in names.values() if "LayerNorm" in n or "bias" in n}
    assert len(decayed["params"]) + len(plain["params"]) == len(names)
    rates = []
    for _ in range(20):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[4:] == pytest.approx(np.linspace(1, 1 / 16, 16))
    assert optimiser.param_groups[0]["lr"] == 0


def test_diverged_training_stops_with_a_sentence(folder, tables):
    small = {name: table[:64] for name, table in tables.items()}
    with pytest.raises(InputError, match=r"training diverged in epoch 1 with seed 0: .*a learning rate below 1e\+38"):
        finetune.finetune(folder, small, replace(SETTINGS, learning_rate=1e38), 0, device="cpu")


# ------------------------------------------------------------------------------------------------------ score files

NAMES = {"task": "promoter", "dataset": "toy", "model": "tiny"}


def write_splits(folder: Path, tables: dict[str, pd.DataFrame]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet")
    return folder


def test_score_file(folder, tables, tmp_path):
    task = write_splits(tmp_path / "task", {name: table[:96] for name, table in tables.items()})
    model = tmp_path / "model"
    make_folder(model)
    record = {"settings": {"k": 3}, "training": {"steps": 0}}
    (model / "model.json").write_text(json.dumps(record))
    settings = replace(SETTINGS, epochs=2)
    out = tmp_path / "out.json", tmp_path / "out.parquet"
    run_finetune(model, task, settings, 4, *out, NAMES, device="cpu")
    score = read_score(out[0])
    assert {key: score[key] for key in NAMES} == NAMES
    assert score["seed"] == 4 and score["deterministic"] is False
    assert score["settings"]["learning_rate"] == 2e-3 and score["settings"]["precision_used"] == "float32"
    assert score["settings"]["k"] == 3 and score["settings"]["patience"] == 6
    assert score["model_sha256"] == sha256(model / "model.safetensors") and score["model_file"] == "model.safetensors"
    assert score["model_record"] == record
    assert score["data_sha256"] == {name: sha256(task / f"{name}.parquet") for name in ("train", "valid", "test")}
    assert len(score["history"]) == 2 and score["best_epoch"] in (1, 2)
    predictions = pd.read_parquet(out[1])
    assert predictions["label"].tolist() == tables["test"]["label"][:96].tolist()
    assert score["metrics"]["roc_auc"] == pytest.approx(roc_auc_score(predictions["label"], predictions["score"]))
    assert "seconds" not in out[0].read_text()

    first = [path.read_bytes() for path in out]
    run_finetune(model, task, settings, 4, *out, NAMES, device="cpu")
    assert [path.read_bytes() for path in out] == first


def test_collapse_is_shown_not_dropped(folder, tables, tmp_path):
    """With next to no learning all examples fall on one side of 0.5; the file says so and keeps its numbers."""
    task = write_splits(tmp_path, {name: table[:64] for name, table in tables.items()})
    settings = replace(SETTINGS, learning_rate=1e-9, epochs=1)
    found = [
        run_finetune(folder, task, settings, seed, tmp_path / "s.json", tmp_path / "s.parquet", NAMES, device="cpu")
        for seed in range(5)
    ]
    collapsed = [score["metrics"] for score in found if score["metrics"]["collapsed"]]
    assert collapsed
    share = max(collapsed[0]["n_positive"], 64 - collapsed[0]["n_positive"]) / 64
    for metrics in collapsed:
        assert metrics["recall"] == 0.5 and metrics["mcc"] == 0
        assert math.isclose(metrics["precision"], share / 2) or math.isclose(metrics["precision"], (1 - share) / 2)


def test_unavailable_model(tmp_path):
    (tmp_path / "model.json").write_text('{"unavailable": "weights could not be downloaded"}')
    out = tmp_path / "s.json", tmp_path / "s.parquet"
    run_finetune(tmp_path, tmp_path / "none", SETTINGS, 1, *out, NAMES)
    assert read_score(out[0])["unavailable"] == "weights could not be downloaded"
    assert out[1].exists()


# ------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("learning_rate", 0, "a number above 0"),
        ("learning_rate", float("nan"), "a number above 0"),
        ("epochs", 0, "a whole number of at least 1"),
        ("batch", 2.5, "a whole number of at least 1"),
        ("patience", 0, "a whole number of at least 1"),
        ("warmup_fraction", 1.0, "0 or more and less than 1"),
        ("dropout", -0.1, "0 or more and less than 1"),
        ("weight_decay", -1, "0 or more"),
        ("clip", 0, "a number above 0"),
        ("precision", "float16", "one of auto, float32, bfloat16"),
    ],
)
def test_bad_settings(name, value, expected):
    with pytest.raises(InputError, match=f"finetune.{name}: found .*, expected {expected}"):
        FinetuneSettings(**{name: value})


def test_folder_without_a_bert(tmp_path, tables):
    with pytest.raises(InputError, match=r"vocab\.txt: cannot be read"):
        finetune.finetune(tmp_path, tables, SETTINGS, 0, device="cpu")
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
    with pytest.raises(InputError, match="weights cannot be loaded"):
        load_encoder(tmp_path, 0.1)
    weights.unlink()
    with pytest.raises(InputError, match=r"holds no weights; expected model\.safetensors or pytorch_model\.bin"):
        load_encoder(tmp_path, 0.1)


def test_bad_tables(folder, tables):
    with pytest.raises(InputError, match="valid: 150 positives and 0 negatives"):
        bad = {**tables, "valid": tables["valid"].assign(label=1)}
        finetune.finetune(folder, bad, SETTINGS, 0, device="cpu")
    with pytest.raises(InputError, match="train: has no column 'sequence'"):
        finetune.finetune(folder, {**tables, "train": tables["train"].drop(columns="sequence")}, SETTINGS, 0)
