import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertForMaskedLM

from genebert.corpus.batches import Batch
from genebert.errors import InputError
from genebert.genome.kmers import MASK, kmer_sentence, save_tokenizer
from genebert.models.bert import sinusoidal_positions, tile_positions
from genebert.models.genebert import GeneBERT
from genebert.settings.models import LossSettings, ModelSettings, RegionEncoderSettings, SequenceEncoderSettings

SETTINGS = ModelSettings(
    3,
    "concatenated",
    SequenceEncoderSettings(2, 32, 4, 64, 0.1, 0.1, 128, weights=None),
    RegionEncoderSettings("region-transformer", "fold", None, {"layers": 1, "hidden": 16, "heads": 2}),
    LossSettings(True, True, "infonce", 0.5, 0.07, "cls", True),
)
SWIN = {"embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2]}
SEQUENCE = "ACGTTGCATTAGCCATG"


def make(settings=SETTINGS, n_tfs=20):
    torch.manual_seed(0)
    return GeneBERT(settings, torch.zeros(n_tfs), torch.ones(n_tfs), 4).eval()


def test_transformers_loads_encoder_head_and_tokenizer_without_our_code(tmp_path):
    model = make()
    model.save(tmp_path / "model", {"regions_per_sample": 4})
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    tokens = tokenizer(kmer_sentence(SEQUENCE, 3), return_tensors="pt")
    assert len(tokens["input_ids"][0]) == len(SEQUENCE) - 2 + 2
    with torch.no_grad():
        ours = model.encode_sequences(
            tokens["input_ids"], torch.zeros_like(tokens["input_ids"]), torch.tensor([tokens["input_ids"].shape[1]])
        )
        theirs = AutoModel.from_pretrained(tmp_path / "model").eval()(**tokens).last_hidden_state
        assert torch.allclose(ours, theirs, atol=1e-5)
        logits = AutoModelForMaskedLM.from_pretrained(tmp_path / "model").eval()(**tokens).logits
        assert torch.allclose(model.sequence_encoder.cls.predictions(ours), logits, atol=1e-5)


def test_round_trip_of_both_encoders(tmp_path):
    model = make()
    model.save(tmp_path / "model", {"regions_per_sample": 4})
    again = GeneBERT.load(tmp_path / "model").eval()
    assert again.settings == model.settings
    state = again.state_dict()
    assert state.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, state[name]), name


def test_saving_replaces_an_older_folder_and_leaves_nothing_else(tmp_path):
    make().save(tmp_path / "model", {"regions_per_sample": 4})
    (tmp_path / "model/old").write_text("x")
    make().save(tmp_path / "model", {"regions_per_sample": 4, "note": 1})
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    assert not (tmp_path / "model/old").exists()
    assert json.loads((tmp_path / "model/model.json").read_text())["note"] == 1


def test_missing_motif_values_count_as_the_mean():
    model = make()
    motifs = torch.randn(2, 4, 20)
    motifs[0, 1] = torch.nan
    filled = torch.nan_to_num(motifs, nan=0.0)
    with torch.no_grad():
        assert torch.equal(model.encode_regions(motifs), model.encode_regions(filled))


def rows(n_samples, lengths, owners=None):
    """A batch of which only the layout matters."""
    owners = None if owners is None else torch.tensor(owners)
    return Batch(torch.empty(0), None, torch.tensor(lengths), owners, 0, None, torch.zeros(n_samples), 0)


def pooled(pooling):
    return make(replace(SETTINGS, losses=replace(SETTINGS.losses, pooling=pooling)))


def test_pooling():
    hidden = torch.randn(2, 5, 32)
    batch = rows(2, [5, 3])
    assert torch.equal(pooled("cls").pool(hidden, batch), hidden[:, 0])
    mean = pooled("mean").pool(hidden, batch)
    assert torch.allclose(mean[0], hidden[0].mean(0), atol=1e-6)
    assert torch.allclose(mean[1], hidden[1, :3].mean(0), atol=1e-6)


def test_pooling_of_windows():
    hidden = torch.randn(4, 5, 32)
    batch = rows(2, [5, 3, 2, 4])  # two samples of two regions
    assert torch.allclose(pooled("cls").pool(hidden, batch)[1], (hidden[2, 0] + hidden[3, 0]) / 2, atol=1e-6)
    expected = torch.cat([hidden[2, :2], hidden[3, :4]]).mean(0)
    assert torch.allclose(pooled("mean").pool(hidden, batch)[1], expected, atol=1e-6)


# [CLS] A A [SEP] B B B [SEP] padding; the regions of the k-mers
OWNERS = [[-1, 0, 0, 1, -1, 2, 3, 3, -1, -1]]


def test_pooling_by_region():
    hidden = torch.randn(1, 10, 32)
    embedded = pooled("regions").pool(hidden, rows(1, [9], OWNERS)).view(4, 32)
    for region, tokens in enumerate(([1, 2], [3], [5], [6, 7])):
        assert torch.allclose(embedded[region], hidden[0, tokens].mean(0), atol=1e-6)
    without = [[-1, 0, 0, 0, -1, 2, 3, 3, -1, -1]]  # region 1 is shorter than k
    assert (pooled("regions").pool(hidden, rows(1, [9], without)).view(4, 32)[1] == 0).all()


def test_pooling_by_region_of_windows():
    hidden = torch.randn(4, 3, 32)
    owners = [[-1, 0, -1], [-1, 1, 1], [-1, 2, -1], [-1, 3, 3]]
    embedded = pooled("regions").pool(hidden, rows(1, [3, 3, 3, 3], owners))
    expected = torch.cat([hidden[0, 1], hidden[1, 1:].mean(0), hidden[2, 1], hidden[3, 1:].mean(0)])
    assert torch.allclose(embedded[0], expected, atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "regions"])
def test_what_segment_prediction_sees(pooling):
    hidden = torch.randn(1, 10, 32)
    batch = rows(1, [9], OWNERS)
    assert torch.equal(pooled("cls").pair(hidden, batch), hidden[:, 0])
    halves = hidden[0, [1, 2]].mean(0) + hidden[0, 3], hidden[0, 5] + hidden[0, [6, 7]].mean(0)
    expected = ((halves[0] - halves[1]) / 2).abs()[None]
    assert torch.allclose(pooled(pooling).pair(hidden, batch), expected, atol=1e-6)


def test_what_segment_prediction_sees_of_windows():
    hidden = torch.randn(4, 5, 32)
    owners = [[-1, 0, 0, 0, -1], [-1, 1, -1, -1, -1], [-1, 2, -1, -1, -1], [-1, 3, 3, -1, -1]]
    batch = rows(1, [5, 3, 3, 4], owners)
    expected = ((hidden[0, 0] + hidden[1, 0]) / 2 - (hidden[2, 0] + hidden[3, 0]) / 2).abs()[None]
    assert torch.allclose(pooled("cls").pair(hidden, batch), expected, atol=1e-6)
    means = [hidden[0, 1:4].mean(0), hidden[1, 1], hidden[2, 1], hidden[3, 1:3].mean(0)]
    expected = ((means[0] + means[1]) / 2 - (means[2] + means[3]) / 2).abs()[None]
    assert torch.allclose(pooled("mean").pair(hidden, batch), expected, atol=1e-6)


def test_one_embedding_a_region_on_both_sides():
    for pooling, width in (("cls", 32), ("mean", 32), ("regions", 4 * 32)):
        for name, arguments in (("region-transformer", {"layers": 1, "hidden": 16, "heads": 2}), ("swin-t-224", SWIN)):
            region = replace(SETTINGS.region_encoder, name=name, arguments=arguments)
            losses = replace(SETTINGS.losses, pooling=pooling)
            model = make(replace(SETTINGS, region_encoder=region, losses=losses))
            assert model.encode_regions(torch.randn(2, 4, 20)).shape == (2, width)


def test_contrast_of_regions():
    """Each region's vectors are contrasted with those of all other regions; the same region is no negative."""
    model = make(replace(SETTINGS, losses=replace(SETTINGS.losses, pooling="regions", contrast="regions")))
    sequence, region = torch.randn(3, 4 * 32), torch.randn(3, 4 * 32)
    regions = torch.tensor([[0, 1, 2, 3], [3, 4, 5, 6], [7, 8, 9, 10]])
    loss, accuracy = model.matching(sequence, region, regions)
    e_seq, e_reg = (x.view(12, 32) - x.view(12, 32).mean(0) for x in (sequence, region))
    scores = torch.nn.functional.normalize(e_seq) @ torch.nn.functional.normalize(e_reg).T / 0.07
    scores[3, 4] = scores[4, 3] = -torch.inf
    own = scores.diagonal()
    expected = (scores.logsumexp(1) - own + scores.logsumexp(0) - own).mean() / 2
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)
    assert accuracy.item() == pytest.approx((scores.argmax(1) == torch.arange(12)).float().mean().item())


def test_projection_only_where_widths_differ():
    assert isinstance(make().projection, torch.nn.Linear)
    region = replace(SETTINGS.region_encoder, arguments={"layers": 1, "hidden": 32, "heads": 2})
    assert isinstance(make(replace(SETTINGS, region_encoder=region)).projection, torch.nn.Identity)


def test_no_region_encoder_without_matching():
    model = GeneBERT(replace(SETTINGS, losses=replace(SETTINGS.losses, srm=None)))
    assert model.region_encoder is None


@pytest.fixture(scope="module")
def dnabert(tmp_path_factory):
    """A checkpoint of DNABERT's form: BertForMaskedLM, 512 positions, no next-sentence head."""
    folder = tmp_path_factory.mktemp("dnabert")
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=69, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=50,
    )  # fmt: skip
    model = BertForMaskedLM(config).eval()
    model.save_pretrained(folder)
    save_tokenizer(folder, 3, 50)
    return folder, model


def test_initialisation_from_dnabert(dnabert):
    folder, published = dnabert
    encoder = replace(SETTINGS.sequence_encoder, weights=str(folder))
    model = make(replace(SETTINGS, sequence_encoder=encoder))
    positions = model.sequence_encoder.bert.embeddings.position_embeddings.weight
    assert positions.shape == (128, 32)
    assert torch.equal(positions[:50], published.bert.embeddings.position_embeddings.weight)
    assert torch.equal(positions[50:100], positions[:50])
    ids = torch.randint(5, 69, (2, 40))
    ids[:, 7] = MASK
    with torch.no_grad():
        hidden = model.encode_sequences(ids, torch.zeros_like(ids), torch.tensor([40, 40]))
        assert torch.allclose(model.sequence_encoder.cls.predictions(hidden), published(ids).logits, atol=1e-5)


def test_start_of_the_positions():
    """A shift by some tokens is one linear map, the same everywhere; with weights the checkpoint's positions count."""
    table = sinusoidal_positions(90, 32).double()
    for shift in (1, 7):
        mapped = torch.linalg.lstsq(table[:80], table[shift : 80 + shift])
        assert (table[:80] @ mapped.solution - table[shift : 80 + shift]).abs().max() < 1e-4 * table.abs().max()
    assert sinusoidal_positions(5, 7).shape == (5, 7)

    def start(positions):
        model = make(replace(SETTINGS, sequence_encoder=replace(SETTINGS.sequence_encoder, positions=positions)))
        return model.sequence_encoder.bert.embeddings.position_embeddings.weight

    assert torch.equal(start("sinusoidal"), sinusoidal_positions(128, 32))
    assert start("sinusoidal").requires_grad
    assert start("random").detach().std() == pytest.approx(0.02, rel=0.1)


def test_tiling():
    assert tile_positions(torch.arange(6).view(3, 2), 7)[:, 0].tolist() == [0, 2, 4, 0, 2, 4, 0]


def test_wrong_weights(dnabert, tmp_path):
    folder, _ = dnabert

    def start(k=3, **changes):
        encoder = replace(SETTINGS.sequence_encoder, **{"weights": str(folder), **changes})
        return make(replace(SETTINGS, k=k, sequence_encoder=encoder))

    with pytest.raises(InputError, match="vocabulary is of 3-mers, but the model's k is 4"):
        start(k=4)
    with pytest.raises(InputError, match="hidden_size is 32, but config asks for 64"):
        start(hidden=64)
    with pytest.raises(InputError, match=r"vocab\.txt: cannot be read"):
        start(weights=str(tmp_path))
    save_tokenizer(tmp_path, 3, 50)
    with pytest.raises(InputError, match="model_type None; expected a Hugging Face folder of a BERT"):
        start(weights=str(tmp_path))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda t: t.pop("bert.encoder.layer.1.output.dense.bias"), "1 tensors of the encoder are missing, the"),
        (lambda t: t.update({"bert.encoder.layer.2.x": torch.ones(1)}), "1 tensors of the encoder are not those"),
        (lambda t: t.update({"cls.predictions.bias": torch.ones(3)}), r"cls\.predictions\.bias has the shape \(3,\)"),
        (lambda t: t.update({"bert.embeddings.position_ids": torch.ones(1, 50)}), None),
        (lambda t: t.update({"classifier.weight": torch.ones(2, 32)}), None),
    ],
)
def test_tensors_of_initial_weights_are_checked(dnabert, tmp_path, change, problem):
    folder, published = dnabert
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    tensors = load_file(tmp_path / "model.safetensors")
    change(tensors)
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    settings = replace(SETTINGS, sequence_encoder=replace(SETTINGS.sequence_encoder, weights=str(tmp_path)))
    if problem is None:
        words = make(settings).sequence_encoder.bert.embeddings.word_embeddings.weight
        assert torch.equal(words, published.bert.embeddings.word_embeddings.weight)
    else:
        with pytest.raises(InputError, match=problem) as caught:
            make(settings)
        assert "\n" not in str(caught.value)


def test_a_model_folder_whose_tensors_do_not_fit_is_refused(tmp_path):
    make().save(tmp_path / "model", {"regions_per_sample": 4})
    path = tmp_path / "model/region_encoder.safetensors"
    tensors = load_file(path)
    for name in ("projection.weight", "motif_mean"):
        save_file({other: tensors[other] for other in tensors if other != name}, path)
        with pytest.raises(InputError, match=f"the tensor {name} is missing"):
            GeneBERT.load(tmp_path / "model")
    path.unlink()
    with pytest.raises(InputError, match=r"region_encoder\.safetensors: is no file"):
        GeneBERT.load(tmp_path / "model")
