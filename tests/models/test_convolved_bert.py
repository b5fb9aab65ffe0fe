"""Filters over the bases that k-mer tokens show: beside a scan of the bases, and what they must not see."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from toy_training import MODEL, TRAINING, at_step, contents, run, toy_data, toy_objective, without_dropout
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer, BertModel

from genebert.corpus.batches import SampleEncoder
from genebert.corpus.masks import mask_kmers
from genebert.corpus.order import Draw
from genebert.errors import InputError
from genebert.genome.bases import reverse_complement
from genebert.genome.kmers import CLS, MASK, PAD, SEP, kmer_sentence
from genebert.models.attention import encode_joined
from genebert.models.bert import load_encoder, make_bert, save_code
from genebert.models.convolved_bert import KmerConvolution
from genebert.models.embedding import embed_samples
from genebert.models.genebert import GeneBERT, shown_tokens
from genebert.models.tokens import tokens_of
from genebert.settings.models import ConvolutionSettings, ModelSettings, SequenceEncoderSettings

WITH = replace(MODEL.sequence_encoder, convolution=ConvolutionSettings(6, 5))
CONVOLVED = replace(MODEL, sequence_encoder=WITH)


def random_codes(n: int, length: int, seed: int = 0, letters: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, letters, (n, length)).astype(np.uint8)


def ids_of(codes: np.ndarray, k: int) -> torch.Tensor:
    return torch.from_numpy(tokens_of(codes, k)).long()


def make(filters=6, width=5, hidden=8, k=3, seed=0) -> KmerConvolution:
    torch.manual_seed(seed)
    network = KmerConvolution(filters, width, hidden, k)
    torch.nn.init.normal_(network.filters.bias)
    torch.nn.init.normal_(network.scale)
    return network


def scan(network: KmerConvolution, codes: np.ndarray) -> np.ndarray:
    """Return what tokens are given, by a scan of the bases of both strands [n, k-mers, hidden]; N is no base."""
    weight = network.filters.weight.detach().numpy()[:, [0, 2, 3, 1]]  # rows A, C, G, T
    letters = np.eye(5)[:, :4][codes]  # [n, length, 4]
    left, n = (network.width - 1) // 2, codes.shape[1]
    padded = np.pad(letters, ((0, 0), (network.width, network.width), (0, 0)))
    found = []
    for token in range(n - network.k + 1):
        start = token + network.k // 2 - left + network.width
        window = padded[:, start : start + network.width]
        opposite = window[:, ::-1, ::-1]  # A, C, G, T backwards is the complement
        one, other = (np.einsum("nwb,fbw->nf", strand, weight) for strand in (window, opposite))
        found.append(np.maximum(np.maximum(one, other) + network.filters.bias.detach().numpy(), 0))
    best = torch.tensor(np.stack(found, 1), dtype=torch.float32)
    return (network.projection(best) * network.scale).detach().numpy()


@pytest.mark.parametrize("k", [3, 4, 5, 6])
@pytest.mark.parametrize(("width", "filters"), [(5, 6), (4, 6), (19, 8), (1, 6)])
def test_tokens_are_given_what_a_scan_of_both_strands_finds(k, width, filters):
    network, codes = make(filters, width, k=k), random_codes(3, 25)
    found = network(ids_of(codes, k)).detach()
    assert np.allclose(found[:, 1:-1], scan(network, codes), atol=1e-5)
    assert not found[:, [0, -1]].any()
    assert isinstance(network.projection, torch.nn.Identity) is (filters == 8)


def test_an_unknown_base_is_none():
    network, codes = make(), random_codes(2, 30)
    codes[0, 12] = codes[1, 0] = 4
    assert np.allclose(network(ids_of(codes, 3)).detach()[:, 1:-1], scan(network, codes), atol=1e-5)


def test_a_sequence_and_its_reverse_complement_are_given_the_same():
    network, codes = make(), random_codes(2, 30)
    opposite = np.stack([reverse_complement(one) for one in codes])
    found, turned = (network(ids_of(one, 3)).detach() for one in (codes, opposite))
    assert torch.allclose(found, turned.flip(1), atol=1e-5)


def test_padding_and_further_rows_change_nothing():
    network = make()
    short, long = ids_of(random_codes(1, 14, 1), 3), ids_of(random_codes(1, 30, 2), 3)
    both = torch.full((2, long.shape[1]), PAD)
    both[0, : short.shape[1]], both[1] = short[0], long[0]
    found = network(both)
    assert torch.allclose(found[0, : short.shape[1]], network(short)[0], atol=1e-6)
    assert not found[0, short.shape[1] :].any()
    assert torch.allclose(found[1], network(long)[0], atol=1e-6)


@given(st.integers(0, 10**6), st.sampled_from([3, 6]))
def test_what_a_mask_hides_is_not_seen(seed, k):
    """Bases that no shown token covers may be others: the same ids, the same states. A shown base matters."""
    rng = np.random.default_rng(seed)
    codes, place = random_codes(1, 40, seed), int(rng.integers(k, 40 - k))
    other = codes.copy()
    other[0, place] = (other[0, place] + rng.integers(1, 4)) % 4
    ids, changed = ids_of(codes, k), ids_of(other, k)
    assert (ids != changed).sum() == k
    hidden = torch.zeros_like(ids, dtype=torch.bool)
    hidden[0, 1 + place - k + 1 : 1 + place + 1] = True
    network = make(width=7, k=k)
    found, same = (network(one.masked_fill(hidden, MASK)) for one in (ids, changed))
    assert torch.equal(found, same)
    assert not torch.equal(network(ids), network(changed))
    _, places = network.places(ids, None)
    bases = network.bases(ids.masked_fill(hidden, MASK), places)[0, 1:41]  # [CLS] has the place 0
    assert not bases[place].any()
    known = np.delete(np.arange(40), place)
    assert (bases[known].numpy() == np.eye(4)[[0, 2, 3, 1]][codes[0, known]]).all()


def batch_of(settings: ModelSettings):
    """A model whose filters say much, and a batch."""
    objective = toy_objective(TRAINING, settings, seed=1)
    (batch,) = objective.draw(0).pieces
    with torch.no_grad():
        objective.model.sequence_encoder.bert.convolution.filters.weight *= 20
    return objective.model.eval(), batch


@pytest.mark.parametrize("layout", ["concatenated", "windows"])
def test_pre_training_reads_the_masked_ids_alone(layout):
    """Whatever a batch's own ids are below the mask, the embeddings are the same."""
    model, batch = batch_of(replace(CONVOLVED, layout=layout))
    ids, chosen = mask_kmers(batch.ids, 3, 0.15, 69, 5)
    hidden = chosen & (ids == MASK)
    assert hidden.any()
    other = replace(batch, ids=torch.where(hidden, (batch.ids - 5 + 7) % 64 + 5, batch.ids))
    with torch.no_grad():
        found, same = (model(one, ids, chosen).sequence for one in (batch, other))
        seen = model(other, other.ids, chosen).sequence
        whole = model(batch, batch.ids, chosen).sequence
    assert torch.equal(found, same)
    assert not torch.allclose(whole, seen)


@pytest.mark.parametrize("joined", [False, True])
def test_filters_end_where_a_region_does(joined):
    """With ``layout: concatenated`` k-mers of two regions lie side by side; each region is given what it is alone."""
    model, batch = batch_of(CONVOLVED)
    network, ids, owners = model.sequence_encoder.bert.convolution, batch.ids, batch.owners
    if joined:  # all rows end to end, as on a GPU
        shown = shown_tokens(ids.shape[1], batch.lengths)
        ids, owners = ids[shown][None], owners[shown][None]
    found = network(ids, owners)
    whole = network(ids)
    side_by_side = 0
    for row, of in zip(*(one.tolist() for one in (torch.arange(len(ids)), owners)), strict=True):
        borders = [0, *(i for i in range(1, len(of)) if of[i] != of[i - 1]), len(of)]
        for start, end in itertools.pairwise(borders):
            if of[start] < 0:
                assert not found[row, start:end].any()
                continue
            alone = network(torch.cat([torch.tensor([CLS]), ids[row, start:end], torch.tensor([SEP])])[None])[0, 1:-1]
            assert torch.allclose(found[row, start:end], alone, atol=1e-6)
            side_by_side += not torch.allclose(whole[row, start:end], alone, atol=1e-4)
    assert side_by_side  # without the borders filters run on


def test_joined_rows_have_the_states_of_padded_ones():
    model, batch = batch_of(CONVOLVED)
    bert, shown = model.sequence_encoder.bert, shown_tokens(batch.ids.shape[1], batch.lengths)
    assert not shown.all()
    with torch.no_grad():
        padded = model.encode_sequences(batch.ids, batch.segments, batch.lengths, batch.owners)
        joined = encode_joined(bert, batch.ids, batch.segments, shown, batch.owners)
        without = encode_joined(bert, batch.ids, batch.segments, shown)
    assert torch.allclose(joined[shown], padded[shown], atol=1e-5)
    assert not torch.allclose(without[shown], padded[shown], atol=1e-3)


# ------------------------------------------------------------------------------------------------------ pre-training


def test_pieces_give_the_gradient_of_the_whole_batch():
    gradients = []
    for micro in (None, 3):
        settings = without_dropout(replace(CONVOLVED, losses=replace(MODEL.losses, centre=False)))
        objective = toy_objective(replace(TRAINING, micro_batch=micro), settings, seed=1)
        result = objective.compute(objective.draw(0), 0)
        found = {name: one.grad for name, one in objective.model.named_parameters() if one.grad is not None}
        gradients.append((result, found))
    (whole, expected), (pieces, found) = gradients
    assert whole == pytest.approx(pieces, rel=1e-5)
    names = {name for name in expected if ".convolution." in name}
    assert len(names) == 4 and all(expected[name].abs().max() > 1e-7 for name in names)
    for name in names:
        assert torch.allclose(expected[name], found[name], rtol=1e-5, atol=1e-6), name


@pytest.mark.parametrize("option", ["checkpoint_activations", "compile"])
def test_recomputed_activations_and_compiled_encoders_change_nothing(option, monkeypatch):
    plain = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **more: plain(self, backend="aot_eager", **more))
    settings = without_dropout(replace(CONVOLVED, losses=replace(MODEL.losses, ngsp=False, srm=None)))
    found = []
    for on in (False, True):
        objective = toy_objective(replace(TRAINING, **{option: on}), settings, seed=1)
        objective.model.train()
        result = objective.compute(objective.draw(0), 0)
        found.append((result["loss"], objective.model.sequence_encoder.bert.convolution.filters.weight.grad))
    (loss, expected), (other, gradient) = found
    assert other == pytest.approx(loss, rel=1e-5)
    assert torch.allclose(gradient, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_embedded_samples_have_the_same_borders():
    model, _ = batch_of(CONVOLVED)
    sequences, _, groups = toy_data()
    regions = groups.regions[:3].astype(np.int64)
    encoder = SampleEncoder(sequences, None, 3, 512, torch.device("cpu"))
    none = np.zeros(3, np.int64)
    batch = encoder.encode(Draw(regions, none, none))
    with torch.no_grad():
        given, without = (
            model.pool(model.encode_sequences(batch.ids, batch.segments, batch.lengths, owners), batch).numpy()
            for owners in (batch.owners, None)
        )
    found = embed_samples(model, sequences, regions)
    assert np.allclose(found, given, atol=1e-5) and not np.allclose(found, without, atol=1e-4)


def test_a_killed_training_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch):
    def die():
        raise KeyboardInterrupt

    expected = contents(run(tmp_path / "whole", model=CONVOLVED))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        at_step(patch, 7, die)
        run(tmp_path / "killed", model=CONVOLVED)
    assert contents(run(tmp_path / "killed", model=CONVOLVED)) == expected
    assert "modeling_convolved_bert.py" in expected
    start = toy_objective(model=CONVOLVED).model.sequence_encoder.bert.convolution.state_dict()
    trained = GeneBERT.load(tmp_path / "whole/model").sequence_encoder.bert.convolution.state_dict()
    assert not any(torch.equal(start[name], trained[name]) for name in start)


# ------------------------------------------------------------------------------------------------------ folders


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A model's folder, and no trace of the code that `transformers` takes from it."""
    for module in (transformers.dynamic_module_utils, transformers.utils, transformers.utils.hub):
        monkeypatch.setattr(module, "HF_MODULES_CACHE", str(tmp_path / "modules"), raising=False)
    torch.manual_seed(3)
    none = replace(CONVOLVED, losses=replace(MODEL.losses, srm=None))
    GeneBERT(none, n_regions=4).save(tmp_path / "model", {"regions_per_sample": 4})
    return tmp_path / "model"


def test_transformers_loads_it_with_the_folders_own_code(folder):
    model = GeneBERT.load(folder).eval()
    tokens = AutoTokenizer.from_pretrained(folder)(kmer_sentence("ACGTTGCATTAGCCATGAACG", 3), return_tensors="pt")
    ids = tokens["input_ids"]
    with torch.no_grad():
        ours = model.encode_sequences(ids, torch.zeros_like(ids), torch.tensor([ids.shape[1]]))
        theirs = AutoModel.from_pretrained(folder, trust_remote_code=True).eval()
        assert type(theirs).__module__.startswith("transformers_modules.")  # the folder's code and not the package's
        assert torch.allclose(theirs(**tokens).last_hidden_state, ours, atol=1e-5)
        masked = AutoModelForMaskedLM.from_pretrained(folder, trust_remote_code=True).eval()
        assert torch.allclose(masked(**tokens).logits, model.sequence_encoder.cls.predictions(ours), atol=1e-5)
        # Without it the convolution is lost, which the docs say.
        plain = AutoModel.from_pretrained(folder).eval()
        assert type(plain) is BertModel
        assert not torch.allclose(plain(**tokens).last_hidden_state, ours, atol=1e-2)
        with pytest.raises(ValueError, match="the convolution reads bases from input_ids"):
            theirs(inputs_embeds=torch.zeros(1, 4, 32))


def test_the_folders_code_needs_nothing_of_ours(folder):
    code = (folder / "modeling_convolved_bert.py").read_text()
    assert "import genebert" not in code and "from genebert" not in code


def test_round_trip(folder):
    again = GeneBERT.load(folder)
    assert again.settings.sequence_encoder.convolution == ConvolutionSettings(6, 5)
    saved = load_file(folder / "model.safetensors")
    state = again.sequence_encoder.state_dict()
    assert sum(".convolution." in name for name in saved) == 4
    assert all(torch.equal(tensor, state[name]) for name, tensor in saved.items())
    encoder = load_encoder(folder, 0.0)
    assert torch.equal(encoder.convolution.filters.weight, saved["bert.convolution.filters.weight"])


def test_a_folder_without_its_convolution_is_refused(folder):
    tensors = load_file(folder / "model.safetensors")
    del tensors["bert.convolution.scale"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"1 tensors of the encoder are missing, the first is convolution\.scale"):
        load_encoder(folder, 0.0)


def test_a_model_that_starts_from_one_without_is_at_first_what_that_is(tmp_path):
    settings = replace(MODEL, losses=replace(MODEL.losses, srm=None))
    plain = GeneBERT(settings, n_regions=4).eval()
    plain.save(tmp_path / "plain", {"regions_per_sample": 4})
    encoder = replace(WITH, weights=str(tmp_path / "plain"))
    model = GeneBERT(replace(settings, sequence_encoder=encoder), n_regions=4).eval()
    convolution = model.sequence_encoder.bert.convolution
    assert not convolution.scale.any() and convolution.filters.weight.any()
    ids = ids_of(random_codes(2, 30), 3)
    lengths = torch.full((2,), ids.shape[1])
    states = [one.encode_sequences(ids, torch.zeros_like(ids), lengths) for one in (plain, model)]
    assert torch.equal(*states)
    (states[1] * torch.randn(states[1].shape)).sum().backward()
    assert convolution.scale.grad.abs().max() > 0  # so it is learned


def test_a_model_starts_from_one_with_the_same_convolution_only(folder):
    settings = replace(MODEL, losses=replace(MODEL.losses, srm=None))

    def start(convolution):
        encoder = replace(MODEL.sequence_encoder, weights=str(folder), convolution=convolution)
        return GeneBERT(replace(settings, sequence_encoder=encoder), n_regions=4)

    saved = load_file(folder / "model.safetensors")["bert.convolution.filters.weight"]
    found = start(ConvolutionSettings(6, 5)).sequence_encoder.bert.convolution
    assert torch.equal(found.filters.weight, saved) and (found.scale == 1).all()
    with pytest.raises(InputError, match=r"convolution is \{'filters': 6, 'width': 5\}, but config asks for none"):
        start(None)
    with pytest.raises(InputError, match=r"but config asks for \{'filters': 6, 'width': 7\}"):
        start(ConvolutionSettings(6, 7))


def test_a_model_without_is_recorded_as_before_there_was_the_key(tmp_path):
    settings = replace(MODEL, losses=replace(MODEL.losses, srm=None))
    GeneBERT(settings, n_regions=4).save(tmp_path / "model", {"regions_per_sample": 4})
    recorded = json.loads((tmp_path / "model/model.json").read_text())["settings"]["sequence_encoder"]
    assert list(recorded) == [
        "layers", "hidden", "heads", "intermediate", "dropout", "attention_dropout", "max_tokens", "weights",
        "positions",
    ]  # fmt: skip
    config = (tmp_path / "model/config.json").read_text()
    assert "convolution" not in config and "auto_map" not in config
    assert not list((tmp_path / "model").glob("*.py"))
    assert ModelSettings.from_dict(settings.record()) == settings
    assert ModelSettings.from_dict(CONVOLVED.record()) == CONVOLVED
    assert toy_objective(model=MODEL).settings == MODEL.record()


def test_code_is_written_for_a_network_with_a_convolution_only(tmp_path):
    for name, convolution in (("plain", None), ("convolved", ConvolutionSettings(6, 5))):
        (tmp_path / name).mkdir()
        settings = SequenceEncoderSettings(1, 8, 2, 16, max_tokens=32, weights=None, convolution=convolution)
        save_code(tmp_path / name, make_bert(3, settings).config)
        assert [path.name for path in (tmp_path / name).iterdir()] == (
            [] if convolution is None else ["modeling_convolved_bert.py"]
        )
