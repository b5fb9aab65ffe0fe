"""What the price of a model says of samples that are longer than its positions."""

from dataclasses import replace
from pathlib import Path

import pytest

from genebert.cli.budget import Data, make_budget, price, render
from genebert.run.run import read_run

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "config" / "demo.yaml"
PAPER = Data(1_700_000, 5046, 10, 579, 0, "")


def test_cropped_samples_are_told_where_the_corpus_is_known():
    model = read_run(ROOT / "config", [DEMO]).models.resolved["genebert"]
    places = model["sequence_encoder"] | {"max_tokens": 512}
    lengths = list(range(400, 501))
    info = {"regions_per_sample": 10, "shown_bases_per_sample": lengths, "shown_bases_per_region": [50] * 101}
    data = replace(PAPER, corpus=info)
    # 3-mers: 20 tokens fewer than bases, and three of 512 are special: none is too long
    assert price({**model, "sequence_encoder": places}, data, None, 1, 0.4)["cropped_samples"] == 0
    short = price({**model, "sequence_encoder": places | {"max_tokens": 453}}, data, None, 1, 0.4)
    assert short["cropped_samples"] == pytest.approx(30 / 101)  # 471 bases and more
    assert price(model, PAPER, None, 1, 0.4)["cropped_samples"] is None
    # of regions that are cut to 51 bases ten never have more than 490 3-mers, whatever the corpus
    assert price({**model, "sequence_encoder": places | {"max_tokens": 493}}, PAPER, 51, 1, 0.4)["cropped_samples"] == 0


def test_no_sample_of_the_paper_is_cropped_beyond_what_was_scanned():
    run = read_run(ROOT / "config", [])
    assert run.config["motifs"]["region_bp"] == run.config["corpus"]["region_bp"]
    budget = make_budget(run, ["genebert", "genebert-regression"], 0.4)
    assert "cropped samples: none is longer than the positions of these models" in render(budget)
    budget["models"][1]["cropped_samples"] = 0.034
    text = render(budget)
    assert "genebert-regression: 3.4% of the samples are longer than its positions" in text and "none is" not in text
