import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertForPreTraining

from genebert.cli.budget import Data, describe_data, make_budget, price, render, row_lengths
from genebert.corpus.batches import SampleEncoder
from genebert.corpus.groups import Groups
from genebert.corpus.masks import mask_kmers
from genebert.corpus.order import Draw
from genebert.errors import InputError
from genebert.genome.sequences import RegionSequences
from genebert.models.bert import bert_config
from genebert.models.flops import heads_forward, masked_share, parameters, region_forward, sequence_forward, step_flops
from genebert.models.genebert import GeneBERT
from genebert.run.run import read_run
from genebert.settings.load import load_yaml, merge
from genebert.settings.models import (
    ConvolutionSettings,
    LossSettings,
    ModelSettings,
    RegionEncoderSettings,
    SequenceEncoderSettings,
)
from genebert.settings.training import TrainingSettings
from genebert.training.checkpoint import save_checkpoint
from genebert.training.objectives.genebert import Data as Read
from genebert.training.objectives.genebert import GeneBERTObjective
from genebert.training.optimiser import make_adamw

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "config" / "demo.yaml"
TFS, REGIONS = 20, 4
BASE = SequenceEncoderSettings(12, 768, 12, 3072, 0.1, 0.1, 512, weights=None)
SMALL = ModelSettings(
    3,
    "concatenated",
    SequenceEncoderSettings(2, 64, 2, 256, 0.0, 0.0, 128, weights=None),
    RegionEncoderSettings("region-transformer", "fold", None, {"layers": 2, "hidden": 32, "heads": 2}),
    LossSettings(True, True, "infonce", 0.5, 0.07, "cls", True),
)
TRAINING = TrainingSettings(**load_yaml(ROOT / "config" / "config.yaml")["model"]["training"])
PAPER = Data(1_700_000, 5046, 10, 579, 0, "")
# Multiply-accumulates in units of 1e9, from the table in the Swin authors' repository (1,000 classes, three colours).
SWIN = {"swin-t-224": 4.5, "swin-s-224": 8.7, "swin-b-224": 15.4, "swin-b-384": 47.1}
# Layers, width, edge of the image.
VIT = {
    "vit-b-384": (12, 768, 384), "vit-l-384": (24, 1024, 384), "deit-s-224": (12, 384, 224),
    "deit-b-224": (12, 768, 224), "deit-b-384": (12, 768, 384),
}  # fmt: skip
# Layers, width, feed-forward width; behind the module that makes the tokens.
T2T = {"t2t-vit-14": (14, 384, 1152), "t2t-vit-24": (24, 512, 1536)}


def losses(**changes) -> ModelSettings:
    return replace(SMALL, losses=replace(SMALL.losses, **changes))


# ------------------------------------------------------------------------------------------------------------ formulas


def test_by_hand():
    """One layer, hidden 2, feed-forward 4, rows of 3 and 1 tokens."""
    tiny = SequenceEncoderSettings(1, 2, 1, 4, 0.0, 0.0, 16, weights=None)
    # 4 tokens x 2 x (4 matrices of 2 x 2 + 2 of 2 x 4), and (9 + 1) pairs x 2 products x 2 operations x 2 channels
    assert sequence_forward(tiny, [3, 1]) == 4 * 2 * (16 + 16) + 10 * 8
    # 5 filters of 3 bases on both strands, projected to 2 units; and 2 of them, not projected
    filters = [replace(tiny, convolution=ConvolutionSettings(n, 3)) for n in (5, 2)]
    plain, *more = (sequence_forward(one, [3, 1]) for one in (tiny, *filters))
    assert [one - plain for one in more] == [4 * 2 * (2 * 4 * 3 * 5 + 5 * 2), 4 * 2 * (2 * 4 * 3 * 2)]
    settings = replace(SMALL, sequence_encoder=tiny)
    # 2 masked: 2 x (2 x 4 + 2 x 2 x 69); 3 samples: 3 x (2 x 4 + 2 x 2 x 2); 9 pairs x 2 x 2
    assert heads_forward(settings, 99, 2, 3, 5) == 2 * (8 + 276) + 3 * 16 + 36
    ngsp_alone = replace(settings, losses=LossSettings(False, True, None, 0.5, 0.07, "cls", True))
    assert heads_forward(ngsp_alone, 99, 2, 3, 5) == 48
    by_region = replace(settings, losses=replace(settings.losses, pooling="regions"))
    assert heads_forward(by_region, 99, 2, 3, 5) - heads_forward(settings, 99, 2, 3, 5) == 4 * 36
    # 3 samples of 5 regions and 7 TFs: 2 x 2 each, in place of the pairs
    regressed = replace(settings, losses=replace(settings.losses, srm="regression", pooling="regions"))
    assert heads_forward(regressed, 99, 2, 3, 5, 7) == heads_forward(settings, 99, 2, 3, 5) - 36 + 3 * 5 * 7 * 4
    largest = replace(regressed, losses=replace(regressed.losses, readout="max"))  # a map of each of 99 k-mers
    assert heads_forward(largest, 99, 2, 3, 5, 7) - heads_forward(regressed, 99, 2, 3, 5, 7) == (99 - 15) * 7 * 4


@pytest.mark.parametrize("n_tokens", [64, 300])
def test_bert_base_as_counted_by_torch(n_tokens):
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        BertForPreTraining(bert_config(6, BASE)).bert(torch.zeros(2, n_tokens, dtype=torch.long))
    assert sequence_forward(BASE, [n_tokens] * 2) == pytest.approx(counter.get_total_flops(), rel=0.01)


def image_encoder(name: str) -> int:
    """Return the counted operations of an image encoder, without a projection of its output."""
    settings = replace(SMALL, region_encoder=RegionEncoderSettings(name, "resize", None, {}))
    model = parameters(settings, 579, 10)
    projection = model.heads - parameters(losses(srm=None), 579, 10).heads - 1
    return region_forward(settings, 579, 10) - 2 * projection


@pytest.mark.parametrize("name", SWIN)
def test_swin_as_published(name):
    assert image_encoder(name) / 2e9 == pytest.approx(SWIN[name], rel=0.01)


@pytest.mark.parametrize("name", VIT)
def test_vit_by_hand(name):
    """Patches of 16 x 16 pixels of one colour, a class token, then the layers of BERT."""
    layers, width, edge = VIT[name]
    patches = (edge // 16) ** 2
    body = SequenceEncoderSettings(layers, width, 1, 4 * width, 0.0, 0.0, 1024, weights=None)
    assert image_encoder(name) == 2 * 256 * width * patches + sequence_forward(body, [patches + 1])


@pytest.mark.parametrize("name", T2T)
def test_t2t_vit_by_hand(name):
    """The layers behind the module that makes the tokens, which costs little (that is what the Performer is for)."""
    layers, width, inner = T2T[name]
    body = sequence_forward(SequenceEncoderSettings(layers, width, 1, inner, 0.0, 0.0, 1024, weights=None), [197])
    assert body < image_encoder(name) < 1.15 * body


@pytest.mark.parametrize("pieces", [1, 2])
def test_a_real_step_as_counted_by_torch(pieces):
    """Forward and backward pass of the training step itself; kernels of attention that recompute are left out."""
    samples, rng = 8, np.random.default_rng(0)
    lengths = [27, 26, 26, 26] * samples  # 97 3-mers a sample, 100 tokens
    codes, offsets = rng.integers(0, 4, sum(lengths)).astype(np.uint8), np.concatenate(([0], np.cumsum(lengths)))
    motifs = rng.normal(size=(len(lengths), TFS)).astype(np.float32)
    none = np.zeros(samples, np.int64)
    groups = Groups(np.arange(len(lengths)).reshape(samples, REGIONS), none, none, none)
    settings = replace(TRAINING, precision="float32", batch=samples, micro_batch=samples // pieces)
    data = Read(RegionSequences(codes, offsets, "toy"), motifs, groups, REGIONS, {})
    objective = GeneBERTObjective(SMALL, settings, data, 0)
    share = objective.draw(0)
    assert share.lengths.tolist() == [100] * samples
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        objective.compute(share, 0)
    needed, done = objective.flops([100] * samples)
    assert done == pytest.approx(counter.get_total_flops(), rel=0.01)
    assert (done > needed) == (pieces > 1)


def test_caching_adds_one_forward_pass_of_both_encoders():
    plain, cached, checkpointed, both = (
        step_flops(SMALL, [90, 100], TFS, REGIONS, rate=0.15, cached=c, checkpoint_activations=a)
        for c, a in ((False, False), (True, False), (False, True), (True, True))
    )
    forward = sequence_forward(SMALL.sequence_encoder, [90, 100]), 2 * region_forward(SMALL, TFS, REGIONS)
    assert (plain.sequence, plain.region, plain.recomputed) == (3 * forward[0], 3 * forward[1], 0)
    assert cached.model == checkpointed.model == both.model == plain.model == plain.total
    assert cached.recomputed == cached.total - cached.model == sum(forward)
    assert checkpointed.recomputed == forward[0]
    assert both.recomputed == forward[0] + sum(forward)


def test_without_matching_nothing_is_cached_and_no_region_encoder_runs():
    flops = step_flops(losses(srm=None), [90, 100], TFS, REGIONS, rate=0.15, cached=True)
    assert (flops.region, flops.recomputed) == (0, 0)
    assert flops.sequence == 3 * sequence_forward(SMALL.sequence_encoder, [90, 100])


@pytest.mark.parametrize("k", [3, 4, 5, 6])
def test_masked_share_is_that_of_the_masks(k):
    ids = torch.full((8, 20_000), 9)
    _, chosen = mask_kmers(ids, k, 0.15, 5 + 4**k, 1, 0)
    assert masked_share(k, 0.15) == pytest.approx(float(chosen.float().mean()), rel=0.02)


@pytest.mark.parametrize("settings", [SMALL, losses(srm=None), losses(mgm=False)])
def test_parameters_are_those_of_the_network(settings):
    model = GeneBERT(settings, torch.zeros(TFS), torch.ones(TFS), REGIONS)
    found = parameters(settings, TFS, REGIONS)
    assert sum(found) == sum(p.numel() for p in model.parameters())
    assert found.sequence_encoder == sum(p.numel() for p in model.sequence_encoder.bert.parameters())
    assert (found.region_encoder == 0) is (settings.losses.srm is None)


def test_counting_reads_no_weights_and_leaves_random_numbers_alone():
    settings = replace(SMALL, sequence_encoder=replace(SMALL.sequence_encoder, layers=3, weights="missing"))
    before = torch.get_rng_state()
    assert region_forward(settings, TFS, REGIONS) == region_forward(SMALL, TFS, REGIONS)
    assert torch.equal(before, torch.get_rng_state())


# ---------------------------------------------------------------------------------------------------------------- data


@given(
    bp=st.integers(20, 60), crop=st.none() | st.integers(8, 70), limit=st.integers(30, 300), k=st.integers(3, 6),
    windows=st.booleans(),
)  # fmt: skip
def test_rows_are_those_of_real_batches(bp, crop, limit, k, windows):
    """Regions of one length, so that the median sample is every sample."""
    layout = "windows" if windows else "concatenated"
    codes = np.zeros(REGIONS * bp, np.uint8)
    sequences = RegionSequences(codes, np.arange(REGIONS + 1) * bp, "toy").crop(crop)
    encoder = SampleEncoder(sequences, None, k, limit, torch.device("cpu"), layout)
    batch = encoder.encode(Draw(np.arange(REGIONS)[None], *np.zeros((2, 1), np.int64)))
    model = {"k": k, "layout": layout, "sequence_encoder": {"max_tokens": limit}}
    rows = row_lengths(model, Data(1, REGIONS * bp, REGIONS, TFS, 0, ""), crop)
    assert len(rows) == len(batch.lengths)
    # A sample that is too long loses as much of each of its regions: up to one token a region less than fit.
    assert np.abs(np.array(rows) - batch.lengths.numpy()).max() < (REGIONS if sum(rows) >= limit else 1)


def write_corpus(folder: Path, **changes) -> dict:
    info = {
        "regions_per_sample": 10, "holdout_chromosomes": [], "validation_fraction": 0.1, "regions": 1000,
        "bases": 400_000, "median_bases_per_sample": 4000, "groups": 900, "validation_groups": 100, **changes,
    }  # fmt: skip
    (folder / "corpus").mkdir(parents=True)
    (folder / "corpus" / "corpus.json").write_text(json.dumps(info))
    return info


@pytest.fixture(scope="module")
def demo():
    return read_run(ROOT / "config", [DEMO])


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A working folder without results."""
    monkeypatch.chdir(tmp_path)


def test_samples_of_the_paper_where_there_is_no_corpus(tmp_path, demo):
    data = describe_data(demo.config, tmp_path)
    assert (data.samples, data.bases_per_sample, data.tfs) == (1_700_000, 5046, 579)
    # sequences and their offsets, float16 matrix, groups
    assert data.bytes == 504_657_456 + 8 * 1_000_030 + 1_000_029 * 579 * 2 + 1_700_000 * 47
    assert data.source.startswith("the paper") and "does not exist yet" in data.source


def test_samples_of_the_run(tmp_path, demo):
    write_corpus(tmp_path)
    (tmp_path / "motifs").mkdir()
    (tmp_path / "motifs" / "motifs.json").write_text('{"motifs": 7}')
    data = describe_data(demo.config, tmp_path)
    assert data == Data(
        900, 4000, 10, 7, 400_000 + 8008 + 1000 * 7 * 2 + 1000 * 47, str(tmp_path / "corpus" / "corpus.json")
    )


@pytest.mark.parametrize("change", [{"regions_per_sample": 8}, {"holdout_chromosomes": ["chr1"]}])
def test_a_corpus_of_other_settings_is_not_used(tmp_path, demo, change):
    write_corpus(tmp_path, **change)
    data = describe_data(demo.config, tmp_path)
    assert data.samples == 1_700_000
    assert "other settings" in data.source


# -------------------------------------------------------------------------------------------------------------- prices


@pytest.fixture(scope="module")
def paper():
    return read_run(ROOT / "config")


def price_of(paper, changes=None, utilisation=0.4, region_bp=None, processes=1):
    model = merge(paper.models.resolve("genebert"), changes or {})
    return SimpleNamespace(**price(model, PAPER, region_bp, processes, utilisation))


def test_the_papers_run(paper):
    one = price_of(paper)
    assert one.tokens_per_sample == 5046 - 10 * 5 + 3
    assert one.tokens_per_step == 128 * one.tokens_per_sample
    assert one.epochs == pytest.approx(120_000 * 128 / 1.7e6)
    # 12 layers x (12 h² weights + 2 T h of attention, by 2 operations) x 3, and a quarter of the whole computed again
    tokens = 120_000 * 128 * 4999
    expected = tokens * 12 * 2 * (12 * 768**2 + 2 * 4999 * 768) * 4
    assert one.flops == pytest.approx(expected, rel=0.01)
    assert one.recomputed == pytest.approx(one.flops / 4, rel=0.01)
    assert one.gpu_hours["A100"] == pytest.approx(one.flops / (0.4 * 312e12 * 3600))
    assert one.gpu_hours["A100"] / one.gpu_hours["H100"] == pytest.approx(989 / 312)


def test_prices_follow_the_settings(paper):
    one = price_of(paper)
    assert price_of(paper, utilisation=0.8).gpu_hours["H200"] == pytest.approx(one.gpu_hours["H200"] / 2)
    assert price_of(paper, {"training": {"micro_batch": None}}).recomputed == 0
    assert price_of(paper, {"training": {"micro_batch": 128}}).recomputed == 0
    assert price_of(paper, processes=16).recomputed == 0  # each process has 8 samples: one piece
    assert price_of(paper, {"training": {"checkpoint_activations": True}}).recomputed > 1.9 * one.recomputed
    assert price_of(paper, region_bp=51).tokens_per_sample == 463
    windows = price_of(paper, {"layout": "windows", "sequence_encoder": {"max_tokens": 512}})
    assert windows.tokens_per_sample == 10 * (round(4996 / 10) + 2)
    assert windows.flops < 0.6 * one.flops  # attention within a region only
    none = price_of(paper, {"training": {"steps": 0}})
    assert (none.flops, none.epochs, none.checkpoint_bytes) == (0, 0, 0)
    assert none.model_bytes == one.model_bytes > 0


def test_disk_is_what_is_written(tmp_path):
    settings = replace(SMALL, sequence_encoder=replace(SMALL.sequence_encoder, hidden=128, intermediate=512))
    model = GeneBERT(settings, torch.zeros(TFS), torch.ones(TFS), REGIONS)
    optimiser = make_adamw(model, TRAINING)
    sum(p.sum() for p in model.parameters()).backward()
    optimiser.step()
    for step in range(4):
        save_checkpoint(tmp_path, step, {"model": model.state_dict(), "optimiser": optimiser.state_dict()})
    checkpoints = sum(path.stat().st_size for path in tmp_path.glob("*.pt"))
    model.save(tmp_path / "model", {})
    weights = sum(path.stat().st_size for path in (tmp_path / "model").glob("*.safetensors"))
    changes = {
        "k": 3,
        "layout": "concatenated",
        **{key: vars(getattr(settings, key)) for key in ("sequence_encoder", "region_encoder", "losses")},
        "training": vars(TRAINING),
    }
    one = price(changes, Data(1, 400, REGIONS, TFS, 0, ""), None, 1, 0.4)
    assert one["model_bytes"] == pytest.approx(weights, rel=0.03)
    assert one["checkpoint_bytes"] == pytest.approx(checkpoints, rel=0.05)


def test_equal_models_count_once(elsewhere, demo):
    names = demo.models.names
    budget = make_budget(demo, names, 0.4)
    lines = {one["model"]: one for one in budget["models"]}
    # In the demo lambda 0.5 is that of all ablations.
    assert "lambda-0.5" in lines["mgm-ngsp-srm"]["same"] and "lambda-0.5" not in lines
    assert len(lines) + sum(len(one["same"]) for one in lines.values()) == len(names)
    again = make_budget(demo, ["lambda-0.5"], 0.4)["models"][0]
    assert again.pop("same")[0] == "mgm-ngsp-srm"
    first = {key: value for key, value in lines["mgm-ngsp-srm"].items() if key != "same"}
    assert again == {**first, "model": "lambda-0.5"}


def test_sum(elsewhere, demo):
    budget = make_budget(demo, ["genebert", "batch-16", "mgm-ngsp-srm", "from-scratch"], 0.4)
    rows, total = budget["models"], budget["sum"]
    assert [row["model"] for row in rows] == ["genebert", "batch-16", "from-scratch"]
    assert total["models"] == 3
    assert total["steps"] == 84
    for key in ("flops", "recomputed", "model_bytes", "checkpoint_bytes"):
        assert total[key] == pytest.approx(sum(row[key] for row in rows))
    assert total["gpu_hours"]["H100"] == pytest.approx(rows[0]["gpu_hours"]["H100"] + rows[1]["gpu_hours"]["H100"])
    assert total["data_bytes"] == budget["data"]["bytes"]
    assert json.loads(json.dumps(budget, allow_nan=False)) == budget


def test_text_says_what_it_assumes(elsewhere, demo):
    text = render(make_budget(demo, ["genebert", "from-scratch"], 0.5))
    lines = text.splitlines()
    assert lines[0] == "run demo (simulated toy atlas, tiny model)"
    assert "1,700,000 of 5,046 bases" in lines[1] and "the paper" in lines[1]
    assert "at 50% of the dense bf16 peak (A100 312, H100 989, H200 989 TFLOP/s)" in text
    rows = {line.split()[0]: line for line in lines if line}
    assert "7,888" in rows["genebert"] and " 80 " in rows["genebert"]
    assert rows["from-scratch"].split()[-1] == "-"
    assert lines[-1].startswith("sum of 2")


@pytest.mark.parametrize("utilisation", [0, -0.1, 1.1, float("nan")])
def test_utilisation_is_a_share(elsewhere, demo, utilisation):
    with pytest.raises(InputError, match=r"--utilisation: found .*, expected a share above 0 and at most 1"):
        make_budget(demo, ["genebert"], utilisation)


def test_unknown_model(elsewhere, demo):
    with pytest.raises(InputError, match=r"--model: unknown model genbert; did you mean genebert\?"):
        make_budget(demo, ["genbert"], 0.4)


def test_overlays_are_merged_in_order_and_checked(tmp_path):
    first, second, wrong = (tmp_path / f"{name}.yaml" for name in ("first", "second", "wrong"))
    first.write_text("run: first\nmodel: {training: {steps: 7, batch: 4, micro_batch: null}}\n")
    second.write_text("run: second\nmodel: {training: {steps: 9}}\n")
    wrong.write_text("model: {training: {stepps: 9}}\n")
    config = read_run(ROOT / "config", [first, second]).config
    assert config["run"] == "second"
    assert (config["model"]["training"]["steps"], config["model"]["training"]["batch"]) == (9, 4)
    with pytest.raises(InputError, match="stepps"):
        read_run(ROOT / "config", [wrong])
    with pytest.raises(InputError, match=r"missing\.yaml: cannot be read"):
        read_run(ROOT / "config", [tmp_path / "missing.yaml"])
