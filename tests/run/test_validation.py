"""What one key of the configuration demands of another."""

import pytest
from config_inputs import MODELS, problems

# -------------------------------------------------------------------------------------------------- rules across keys


@pytest.mark.parametrize(
    ("overlay", "sentence"),
    [
        (
            {"accessibility": {"format": "bed"}},
            "accessibility.beds: found an empty block {}, but accessibility.format bed",
        ),
        (
            {"accessibility": {"format": "mtx", "cells": "c"}},
            "accessibility.peaks: found null, but accessibility.format mtx",
        ),
        (
            {"accessibility": {"format": "mtx", "peaks": "p"}},
            "accessibility.cells: found null, but accessibility.format mtx",
        ),
        (
            {"accessibility": {"format": "dgcmatrix"}},
            "accessibility.cells: found null, but accessibility.format dgcmatrix",
        ),
        (
            {"accessibility": {"assay": None}},
            "accessibility.assay: found null, but accessibility.format seurat needs it",
        ),
        (
            {"accessibility": {"matrix": None}},
            "accessibility.matrix: found null, but accessibility.format seurat needs it",
        ),
        ({"accessibility": {"group_by": None}}, "accessibility.group_by: found null, but accessibility.format seurat"),
        (
            {"accessibility": {"binarise": "min_fraction"}},
            "accessibility.min_fraction: found null, but accessibility.binarise min_fraction needs it",
        ),
        (
            {"motifs": {"background": [0.3, 0.2, 0.2, 0.2]}},
            "motifs.background: found [0.3, 0.2, 0.2, 0.2] with the sum 0.9, expected the sum 1",
        ),
        (
            {"motifs": {"region_bp": 51}},
            "motifs.region_bp: found 51, expected null or the same as corpus.region_bp, 515",
        ),
        (
            {"corpus": {"region_bp": 51}},
            "motifs.region_bp: found 515, expected null or the same as corpus.region_bp, 51",
        ),
        (
            {"motifs": {"region_bp": 50}, "corpus": {"region_bp": 51}},
            "motifs.region_bp: found 50, expected null or the same as corpus.region_bp, 51",
        ),
        ({"chromosomes": ["chr1", 2, "1"]}, "chromosomes: found 1 and chr1, which are the same; expected no repeats"),
        (
            {"chromosomes": ["chr1", "chr2"], "corpus": {"holdout_chromosomes": ["2", "chr8", 21]}},
            "corpus.holdout_chromosomes: found chr8, 21, expected only names that chromosomes lists",
        ),
        (
            {"chromosomes": ["chr1", "chr2"], "corpus": {"holdout_chromosomes": ["2", "chr1"]}},
            "corpus.holdout_chromosomes: found all of chromosomes, expected at least one left for pre-training",
        ),
        (
            {"simulate": {"mostly_n": ["chr9"]}},
            "simulate.mostly_n: found chr9, expected only names that simulate.chromosomes",
        ),
        (
            {"simulate": {"domain_purity": 0.9, "housekeeping": 0.2}},
            "simulate.domain_purity: found 0.9 beside housekeeping 0.2, expected at most 1 together",
        ),
        ({"genome": {"fasta": "{date}/hg19.fa"}}, "genome.fasta: found the placeholder {date}, expected {data}"),
        (
            {"accessibility": {"beds": {"a": "{data"}}},
            "accessibility.beds.a: found the placeholder {data, expected {data}",
        ),
        ({"data": "{data}/x"}, "data: found the placeholder {data}, expected none here"),
        (
            {"tables": {"table1": {"promoter/prom-cor": ["genebert"]}}},
            "tables.table1: unknown data set promoter/prom-cor; did you mean promoter/prom-core?",
        ),
        (
            {"tables": {"table1": {"promoter/prom-core": ["genbert"]}}},
            "tables.table1.promoter/prom-core: unknown model or baseline genbert; did you mean genebert?",
        ),
        (
            {"tables": {"table1": {"promoter/prom-core": ["boosted-tree"]}}},
            "tables.table1.promoter/prom-core: unknown model or baseline boosted-tree; did you mean boosted-trees?",
        ),
        ({"models": {"kmer-logreg": {}}}, "the model name kmer-logreg is that of a baseline, expected another name"),
    ],
)
def test_rules_across_keys(overlay, sentence):
    (line,) = problems(overlay)
    assert line.startswith(f"config: {sentence}")


@pytest.mark.parametrize(
    ("overlay", "sentence"),
    [
        (
            {"motifs": {"background": [0.3, 0.2, 0.2, 0.2995]}},
            "motifs.background: found [0.3, 0.2, 0.2, 0.2995] with the sum 0.9995, expected the sum 1",
        ),
        ({"tasks": {"tfbs": {"length": 10}}}, "tasks.tfbs.length: found 10, expected a whole number of at least 20"),
        (
            {"finetune": {"tfbs": {"grid": {"epochs": [1, 0]}}}},
            "finetune.tfbs.grid.epochs[1]: found 0, expected a whole number of at least 1",
        ),
        (
            {"finetune": {"default": {"grid": {"learning_rates": [1.0]}}}},
            "unknown key finetune.default.grid.learning_rates; did you mean finetune.default.grid.learning_rate?",
        ),
        (
            {"simulate": {"region_bp": 100}},
            "simulate.region_bp: found 100, expected a whole number of at least 120 and at most 900",
        ),
        (
            {"simulate": {"n_cell_types": 9}},
            "simulate.n_cell_types: found 9, expected a whole number of at least 1 and at most 8",
        ),
        (
            {
                "accessibility": {
                    "format": "bed", "beds": {"a": "a.bed"}, "binarise": "min_fraction", "min_fraction": 0.1,
                }
            },
            "accessibility.binarise: found min_fraction, but accessibility.format bed has no cells; expected any",
        ),
        (
            {"tasks": {"promoter": {"prom-core": {"source": "kmer-tsv", "split": "chromosome",
                                                  "test_chromosomes": ["chr1"], "valid_chromosomes": ["chr2"]}}}},
            "tasks.promoter.prom-core.split: found chromosome beside source kmer-tsv, whose examples have no places",
        ),
    ],
)  # fmt: skip
def test_what_a_job_would_refuse_stops_at_the_plan(overlay, sentence):
    (line,) = problems(overlay)
    assert line.startswith(f"config: {sentence}")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"sequence_encoder": {"hidden": 100}},
            "sequence_encoder.hidden: found 100, expected a multiple of sequence_encoder.heads, 12",
        ),
        (
            {"losses": {"mgm": False, "ngsp": False, "srm": None}},
            "training.steps: found 120000, but no loss is on; expected 0, or a loss",
        ),
        (
            {"training": {"batch": 1, "micro_batch": None}},
            "training.batch: found 1, expected at least 2: losses.srm contrasts the samples of a batch",
        ),
        (
            {"training": {"batch": 16, "micro_batch": 32}},
            "training.micro_batch: found 32, expected at most training.batch, 16",
        ),
        (
            {"losses": {"contrast": "regions", "pooling": "mean"}},
            "losses.contrast: found regions beside pooling mean, expected pooling regions or contrast samples",
        ),
        (
            {"losses": {"readout": "max"}},
            "losses.readout: found max beside srm infonce, expected mean: only srm regression reads scores",
        ),
        (
            {"sequence_encoder": {"weights": "model:genbert"}},
            "sequence_encoder.weights: found model:genbert, expected a model that is trained; did you mean genebert?",
        ),
        (
            {"sequence_encoder": {"weights": "model:mine"}},
            "sequence_encoder.weights: found model:mine, expected a model that does not itself start from mine",
        ),
        (
            {"k": 3, "sequence_encoder": {"weights": "model:genebert"}},
            "sequence_encoder.weights: found model:genebert with k 6, expected 3, as this model has",
        ),
        (
            {"sequence_encoder": {"weights": "model:genebert", "layers": 6}},
            "sequence_encoder.weights: found model:genebert with layers 12, expected 6, as this model has",
        ),
        (
            {"region_encoder": {"name": "region-transformer", "weights": "w"}},
            "region_encoder.weights: found 'w', expected null: region-transformer has no published weights",
        ),
        (
            {"region_encoder": {"name": "region-transformer"}},
            "region_encoder.weights: found 'imagenet', expected null: region-transformer has no published weights",
        ),
        (
            {"region_encoder": {"name": "t2t-vit-14", "weights": "hub"}},
            "region_encoder.weights: found 'hub', expected a path, imagenet or null: the hub has no t2t-vit-14",
        ),
        (
            {
                "region_encoder": {
                    "name": "region-transformer",
                    "weights": None,
                    "arguments": {"hidden": 10, "heads": 4},
                }
            },
            "region_encoder.arguments.hidden: found 10, expected a multiple of region_encoder.arguments.heads, 4",
        ),
    ],
)
def test_rules_across_the_settings_of_a_model(changes, sentence):
    assert problems({}, MODELS | {"mine": changes}) == [f"model mine: {sentence}"]
    assert problems({"models": {"mine": changes}}) == [f"model mine: {sentence}"]


def test_a_start_from_an_untrained_model():
    (line,) = problems({"models": {"mine": {"sequence_encoder": {"weights": "model:from-scratch"}}}})
    found = "sequence_encoder.weights: found model:from-scratch, expected a model that is trained"
    assert line.startswith(f"model mine: {found}")


def test_a_wrong_argument_of_the_region_transformer():
    entry = {"region_encoder": {"name": "region-transformer", "weights": None, "arguments": {"layer": 3}}}
    assert problems({}, MODELS | {"mine": entry}) == [
        "models.yaml: unknown key models.mine.region_encoder.arguments.layer; "
        "did you mean models.mine.region_encoder.arguments.layers?"
    ]
    entry["region_encoder"]["arguments"] = {"hidden": 130}  # beside the default of heads
    assert problems({}, MODELS | {"mine": entry}) == [
        "model mine: region_encoder.arguments.hidden: found 130, expected a multiple of "
        "region_encoder.arguments.heads, 4"
    ]
    # wrong only once the name comes from elsewhere
    assert problems({"models": {"region-transformer": {"region_encoder": {"arguments": {"heads": "4"}}}}}) == [
        "model region-transformer: region_encoder.arguments.heads: found '4', expected a whole number of at least 1 "
        "(without quotes)"
    ]


MINE = {"of": "genebert", "finetune": {"learning_rate": 1e-4, "frozen": True}}


@pytest.mark.parametrize(
    ("entries", "sentences"),
    [
        ({"mine": MINE | {"of": "genbert"}}, ["mine.of: found genbert, expected a model that is trained; did you"]),
        ({"mine": MINE | {"of": "cnn"}}, ["mine.of: found cnn, expected a model that is trained; expected one of"]),
        ({"mine": MINE | {"of": "mine"}}, ["mine.of: found mine, expected a model that is trained; "]),
        # chains, of which no order could be told
        ({"mine": MINE | {"of": "genebert-2e-4"}}, ["mine.of: found genebert-2e-4, expected a model that is trained"]),
        (
            {"mine": {"of": "yours"}, "yours": {"of": "mine"}},
            ["mine.of: found yours, expected a model", "yours.of: found mine, expected a model"],
        ),
        ({"mine": MINE | {"k": 3}}, ["mine.k: found beside `of`, expected finetune alone: it is the same pre-trained"]),
        ({"genebert-2e-4": {"training": {"steps": 3}}}, ["genebert-2e-4.training: found beside `of`, expected"]),
        (
            {"mgm": {"of": "genebert"}},
            [f"mgm.{key}: found beside `of`, expected finetune alone" for key in ("ablation", "losses")],
        ),
    ],
)
def test_entries_of_another_model(entries, sentences):
    lines = problems({"models": entries})
    assert len(lines) == len(sentences)
    for line, sentence in zip(lines, sentences, strict=True):
        assert line.startswith(f"model {sentence}")
    if "genbert" in str(entries):
        assert lines[0].endswith("did you mean genebert?")


def test_entries_of_another_model_that_are_allowed():
    assert problems({"models": {"mine": MINE}, "tables": {"table2": {"tfbs": ["mine", "dnabert-2e-4"]}}}) == []
    assert problems({"models": {"genebert-2e-4": {"of": "mgm"}}}) == []
    # what is wrong with the other model is said of both
    lines = problems({"models": {"mine": MINE, "genebert": {"training": {"micro_batch": 256}}}})
    assert [line.split(" ")[1:3] for line in lines] == [["genebert,", "genebert-2e-4,"]]


def test_what_all_models_share_is_said_once():
    (line,) = problems({"model": {"sequence_encoder": {"heads": 7}}})
    assert line.startswith("config: model.sequence_encoder.hidden: found 768, expected a multiple of ")
    lines = problems({"corpus": {"region_bp": 5}, "motifs": {"region_bp": None}})
    assert len(lines) == 1 and lines[0].endswith("more: k: found 6, expected at most corpus.region_bp, 5")
    (line,) = problems({"corpus": {"region_bp": 12}, "motifs": {"region_bp": None}})
    assert "sequence_encoder.convolution.width: found 19, expected at most corpus.region_bp, 12" in line


@pytest.mark.parametrize(
    "overlay",
    [
        {"chromosomes": ["20"]},
        {"chromosomes": [20, "X"], "corpus": {"holdout_chromosomes": ["chrX"]}},
        {
            "accessibility": {
                "format": "bed",
                "beds": {"FC.ExN": "a.bed.gz", "MG, fetal": "{data}/b.bed"},
                "matrix": None,
            }
        },
        {"accessibility": {"format": "bed", "beds": {"a": "a.bed"}, "group_by": None}},
        {"accessibility": {"format": "mtx", "peaks": "p", "cells": "c"}},
        {"accessibility": {"format": "dgcmatrix", "cells": "c"}},
        {"accessibility": {"format": "h5ad"}},
        {"accessibility": {"binarise": "min_fraction", "min_fraction": 0.05}},
        {"motifs": {"matrix": "descartes"}},
        {"motifs": {"background": [0.295, 0.205, 0.205, 0.295]}},
        {"motifs": {"region_bp": 51}, "corpus": {"region_bp": 51}},
        {"motifs": {"region_bp": None}, "corpus": {"region_bp": 51}},
        {"motifs": {"region_bp": None}, "corpus": {"region_bp": None}},
        {"mirror": "https://host.org/copy"},
        {"models": {"mine": {"training": {"steps": 5}}}, "tables": {"table1": {"promoter/prom-core": ["mine"]}}},
        {"model": {"region_encoder": {"arguments": {"embed_dim": 24, "depths": [1, 1, 2, 1]}}}},
        {"model": {"training": {"micro_batch": 32}}},
        {"models": {"mine": {"region_encoder": {"name": "swin-b-384", "weights": "hub"}}}},
        {"models": {"mine": {"region_encoder": {"name": "t2t-vit-14", "weights": "{data}/own.pth.tar"}}}},
    ],
)
def test_what_is_allowed(overlay):
    assert problems(overlay) == []
