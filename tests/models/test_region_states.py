"""What models make of single regions of drawn blocks."""

import numpy as np
import pytest
import torch

from genebert.corpus.groups import TRAIN
from genebert.corpus.region_blocks import LabelledRegions, RegionBlocks, RegionStates
from genebert.errors import InputError
from genebert.files import write_json
from genebert.genome.sequences import RegionSequences
from genebert.models.embedding import embed_samples
from genebert.models.genebert import GeneBERT
from genebert.models.region_states import region_vectors, write_region_states
from genebert.settings.models import LossSettings, ModelSettings, RegionEncoderSettings, SequenceEncoderSettings

BERT = SequenceEncoderSettings(1, 16, 2, 32, 0.1, 0.1, 128, weights=None)
TRANSFORMER = RegionEncoderSettings("region-transformer", "fold", None, {"layers": 1, "hidden": 24, "heads": 2})
SWIN = RegionEncoderSettings(
    "swin-t-224", "fold", None, {"embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2]}
)
WIDTH, FACTORS = 4, 5


def make_model(encoder=TRANSFORMER, **losses):
    torch.manual_seed(0)
    settings = ModelSettings(3, "concatenated", BERT, encoder, LossSettings(**losses))
    return GeneBERT(settings, torch.zeros(FACTORS), torch.ones(FACTORS), WIDTH).eval()


@pytest.fixture
def motifs():
    return np.random.default_rng(1).normal(size=(60, FACTORS)).astype(np.float16)


BLOCKS = np.arange(44, dtype=np.int32).reshape(11, WIDTH)


@pytest.mark.parametrize("encoder", [TRANSFORMER, SWIN])
def test_vectors_of_regions_are_those_of_matching(motifs, encoder):
    """With `pooling: regions` each region has a vector that matching compares: that one."""
    model = make_model(encoder, pooling="regions")
    found = region_vectors(model, motifs, BLOCKS)
    assert found.shape == (44, 16) and found.dtype == np.float32
    with torch.inference_mode():
        rows = torch.from_numpy(motifs[BLOCKS].astype(np.float32))
        expected = model.encode_regions(rows).view(44, 16).numpy()
    assert found == pytest.approx(expected, abs=1e-5)
    assert np.ptp(found, axis=0).min() > 0


def test_an_encoder_of_regions_pooled_over_the_sample_still_gives_one_each(motifs):
    found = region_vectors(make_model(pooling="mean"), motifs, BLOCKS)
    whole = region_vectors(make_model(pooling="regions"), motifs, BLOCKS)
    assert np.array_equal(found, whole)


def test_an_encoder_of_samples_sees_the_region_alone(motifs):
    found = region_vectors(make_model(SWIN, pooling="mean"), motifs, BLOCKS)
    turned = region_vectors(make_model(SWIN, pooling="mean"), motifs, BLOCKS[:, ::-1])
    assert found.shape == (44, 16)
    assert found.reshape(11, WIDTH, 16) == pytest.approx(turned.reshape(11, WIDTH, 16)[:, ::-1], abs=1e-5)


def make_run(folder, motifs):
    generator = np.random.default_rng(0)
    offsets = np.concatenate([[0], np.cumsum(generator.integers(8, 20, 60))])
    sequences = RegionSequences(generator.integers(0, 4, offsets[-1]).astype(np.uint8), offsets, "toy")
    sequences.save(folder / "sequences")
    blocks = RegionBlocks(BLOCKS, np.full(11, TRAIN, np.uint8), np.zeros(11, np.int32))
    LabelledRegions(blocks, np.zeros((44, 2), np.float32), np.array(["A", "B"]), False).save(folder / "regions.npz")
    (folder / "motifs").mkdir()
    np.save(folder / "motifs/matrix.npy", motifs)
    write_json(folder / "motifs/motifs.json", {"regions": 60, "motifs": FACTORS, "kind": "max_score"})
    return sequences


@pytest.mark.parametrize("pooling", ["regions", "mean"])
def test_states_are_written(tmp_path, motifs, pooling):
    sequences = make_run(tmp_path, motifs)
    model = make_model(pooling=pooling)
    model.save(tmp_path / "model", {"regions_per_sample": WIDTH})
    files = (tmp_path / "model", tmp_path / "regions.npz", tmp_path / "sequences")
    write_region_states(*files, tmp_path / "motifs", 10, tmp_path / "states.npz")
    found = RegionStates.load(tmp_path / "states.npz")
    assert found.regions.tolist() == list(range(44))
    by_regions = make_model(pooling="regions")
    expected = embed_samples(by_regions, sequences.crop(10), BLOCKS).reshape(44, 16)
    assert found.sequence == pytest.approx(expected, abs=1e-5)
    assert found.region == pytest.approx(region_vectors(by_regions, motifs, BLOCKS), abs=1e-5)
    write_region_states(*files, None, 10, tmp_path / "states.npz")
    assert RegionStates.load(tmp_path / "states.npz").region.shape == (44, 0)


def test_states_that_are_not_finite_are_one_sentence(tmp_path, motifs):
    make_run(tmp_path, motifs)
    model = make_model(pooling="regions")
    with torch.no_grad():
        model.projection.weight.fill_(torch.nan)
    model.save(tmp_path / "model", {"regions_per_sample": WIDTH})
    files = (tmp_path / "model", tmp_path / "regions.npz", tmp_path / "sequences", tmp_path / "motifs")
    with pytest.raises(InputError, match="vectors of the region encoder of 44 of 44 regions are not finite"):
        write_region_states(*files, None, tmp_path / "states.npz")
    assert not (tmp_path / "states.npz").exists()
