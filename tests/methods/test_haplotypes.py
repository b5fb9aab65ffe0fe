"""A BERT on people: what it reads, that it learns, and that it comes back."""

import json

import numpy as np
import pytest
import torch
from finetune_inputs import make_folder
from people_inputs import RISK, SECRET, make_set, write_cohort

from genebert.errors import InputError
from genebert.evaluation.examples import SPLITS
from genebert.evaluation.kinds.person import PersonStatus
from genebert.genome.fasta import Genome
from genebert.methods.haplotypes import HaplotypeEncoder, Haplotypes, cut, pooled
from genebert.methods.registry import load_classifier
from genebert.methods.run import FitJob, run_method
from genebert.settings.fitting import FinetuneSettings

OPTIONS = {"learning_rate": 3e-3, "epochs": 6, "batch": 16, "patience": 6, "precision": "float32", "dropout": 0.0}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Folder, files, card, splits."""
    folder = tmp_path_factory.mktemp("cohort")
    files = write_cohort(folder) | {"genome": folder / "genome.fa"}
    card = make_set(folder, {name: path for name, path in files.items() if name != "genome"})
    make_folder(folder / "model", positions=64)
    paths = {name: folder / "set" / f"{name}.parquet" for name in SPLITS}
    splits = PersonStatus(card).read(paths, Genome(folder / "genome.fa"), files)
    return folder, files | {"model": folder / "model"}, card, splits


def method(inputs, **options):
    _, files, card, _ = inputs
    return Haplotypes(PersonStatus(card), OPTIONS | options, files, card)


def test_pieces_tile_the_regions(inputs):
    splits = inputs[-1]
    regions = splits["train"].cohort.regions
    pieces = cut(regions, 64)
    covered = np.concatenate([np.arange(start, end) for _, start, end in pieces])
    expected = np.concatenate([np.arange(start, end) for start, end in regions[["start", "end"]].to_numpy()])
    np.testing.assert_array_equal(covered, expected)
    lengths = [end - start for _, start, end in pieces]
    assert max(lengths) <= 64 and min(lengths) > 32


def test_each_different_sequence_is_read_once(inputs):
    train = inputs[-1]["train"]
    encoder = HaplotypeEncoder(inputs[1]["model"], PersonStatus(inputs[2]))
    pieces = encoder.pieces(train.cohort)
    tokens = encoder.tokens(train)
    assert tokens.index.shape == (len(train), len(pieces), 2)
    ids = [row[: int(length)].tolist() for row, length in zip(tokens.tokens.ids, tokens.tokens.lengths, strict=True)]
    for number, piece in enumerate(pieces):
        rows = torch.unique(encoder.everyone(train.cohort, pieces).index[:, number])
        assert len({tuple(ids[row]) for row in rows}) == len(rows), piece
    sequences, mask, index = tokens.batch(torch.tensor([0, 3]))
    assert len(torch.unique(index)) == len(sequences) and (mask is None or len(mask) == len(sequences))


def test_pieces_in_which_training_people_differ(inputs):
    train = inputs[-1]["train"]
    encoder = HaplotypeEncoder(inputs[1]["model"], PersonStatus(inputs[2]))
    differing = encoder.differing(train)
    assert any(start <= RISK < end for _, start, end in differing)
    assert not any(start >= 2500 for _, start, _ in differing)  # nobody differs there
    assert set(differing) < set(encoder.pieces(train.cohort))


def test_pooling_is_a_mean_of_haplotypes_and_the_largest_piece():
    states = torch.tensor([[0.0, 9.0], [2.0, 1.0], [5.0, -1.0], [1.0, 1.0]])
    index = torch.tensor([[[0, 1], [2, 2]], [[3, 3], [0, 2]]])
    assert pooled(states, index).tolist() == [[5.0, 5.0], [2.5, 4.0]]


def test_a_person_scores_the_same_alone_and_with_others(inputs):
    splits = inputs[-1]
    fitted = method(inputs).fit(splits["train"], splits["valid"], 0)
    together = fitted.score(splits["test"])
    alone = np.concatenate([fitted.score(splits["test"].subset(np.array([row]))) for row in range(3)])
    np.testing.assert_allclose(alone, together[:3], atol=1e-6)


@pytest.mark.parametrize("frozen", [False, True])
def test_it_finds_the_risk_variant_and_comes_back(inputs, tmp_path, frozen):
    splits = inputs[-1]
    options = {"frozen": True, "learning_rate": 3e-2} if frozen else {"epochs": 12}
    fitted = method(inputs, **options).fit(splits["train"], splits["valid"], 0)
    scores = fitted.score(splits["test"])
    if not frozen:  # a random encoder shows a probe little of it
        assert fitted.kind.select(splits["test"], scores) > 0.85
    fitted.save(tmp_path / "kept")
    again = load_classifier(tmp_path / "kept")
    np.testing.assert_allclose(again.score(splits["test"]), scores, atol=1e-6)
    assert again.pieces == fitted.pieces and fitted.record["pieces"] == len(fitted.pieces)


def test_a_frozen_encoder_reads_each_sequence_once(inputs, monkeypatch):
    """Whatever pieces the folds differ in."""
    from genebert.methods import haplotypes

    read, plain = [], haplotypes.encode
    monkeypatch.setattr(haplotypes, "encode", lambda *given: read.append(1) or plain(*given))
    made = method(inputs, frozen=True)
    for parts in PersonStatus(inputs[2]).rotations(inputs[-1]):
        fitted = made.fit(parts["train"], parts["valid"], 0)
        alone = made.encoder.everyone(parts["test"].cohort, fitted.pieces).of(parts["test"].rows)
        states = plain(made.encoder.frozen, alone.tokens, made.encoder.reading(fitted.settings)[0], "float32").values
        found = made.encoder.read(parts["test"], fitted.settings, fitted.pieces).values
        torch.testing.assert_close(found, pooled(states, alone.index))
    assert len(read) == 1


def test_gradients_are_those_without_checkpoints(inputs, monkeypatch):
    splits = inputs[-1]
    one = method(inputs)
    settings = FinetuneSettings(**OPTIONS)
    found = []
    for together in (3, 1000):
        monkeypatch.setattr("genebert.methods.haplotypes.TOGETHER", together)
        network = one.encoder.network(None, settings, 0).train()
        network(*one.encoder.tokens(splits["train"]).batch(torch.arange(5))).sum().backward()
        found.append(torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None]))
    torch.testing.assert_close(found[0], found[1], atol=1e-4, rtol=1e-3)


def test_strands_are_those_of_the_genome(inputs):
    with pytest.raises(InputError, match="strands: found both, expected given"):
        method(inputs, strands="both")


def test_a_model_that_is_too_short(inputs, tmp_path):
    _, files, card, splits = inputs
    make_folder(tmp_path / "short", positions=5)
    made = Haplotypes(PersonStatus(card), OPTIONS, files | {"model": tmp_path / "short"}, card)
    made.prepare(splits["train"])  # pieces of 5 bases
    assert max(end - start for _, start, end in made.encoder.pieces(splits["train"].cohort)) == 5


def job(inputs, folder, **changes):
    _, files, _, _ = inputs
    given = {
        "task": "disease", "dataset": "toy", "name": "x", "method": "haplotypes", "data": inputs[0] / "set",
        "output": folder / "out", "checkpoints": folder / "checkpoints", "seeds": [0, 1],
        "options": OPTIONS | {"epochs": 1}, "files": files,
    }  # fmt: skip
    return FitJob(**given | changes)


def test_a_job_fits_every_fold_and_writes_nothing_about_one_person(inputs, tmp_path, caplog):
    caplog.set_level("INFO")
    run_method(job(inputs, tmp_path, classifiers=tmp_path / "kept"))
    score = json.loads((tmp_path / "out/seed0.json").read_text())
    assert score["metrics"]["n"] == 60 and score["metrics"]["n_folds"] == 3 and len(score["fits"]) == 3
    assert {len(one["history"]) for one in score["fits"]} == {1}
    assert score["data_set"]["cohort"]["cases"] == 30 and score["n_train"] == 20
    for number in range(3):
        assert load_classifier(tmp_path / f"kept/seed0/fold{number}").pieces
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 10
    for text in [*(path.read_bytes() for path in written), caplog.text.encode()]:
        assert SECRET[:8].encode() not in text


def test_a_simple_method_through_the_same_job(inputs, tmp_path):
    run_method(job(inputs, tmp_path, method="one-snp", options={}))
    scores = [json.loads((tmp_path / f"out/seed{seed}.json").read_text()) for seed in (0, 1)]
    assert scores[0]["deterministic"] and scores[0]["metrics"] == scores[1]["metrics"]
    assert scores[0]["metrics"]["roc_auc"] > 0.9 and scores[0]["metrics"]["permutation_p"] < 0.01
    assert "chosen_inverse_penalty" in json.dumps(scores[0])
