"""What `make demo` has made, where it has run: `.ci/run` runs it before the tests."""

import json
import math
import os

import pandas as pd
import pytest
from run_snakemake import DEMO, snakemake

from genebert.paper import TITLES
from genebert.report.tables.paper import metrics_of, read_paper
from genebert.settings.load import load_yaml

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def demo(root):
    """The results of the demo."""
    if "GENEBERT_DEMO" not in os.environ:
        pytest.skip("GENEBERT_DEMO is not set: results of `make demo` are looked at in .ci/run")
    folder = root / "results/demo"
    assert folder.is_dir(), "make demo has not run"
    return folder


@pytest.mark.parametrize("number", TITLES)
def test_every_row_of_the_paper_has_finite_numbers_or_a_reason(root, demo, number):
    paper = read_paper(root / f"config/paper/table{number}.tsv")
    values = pd.read_csv(demo / f"tables/table{number}.csv", keep_default_na=False)
    rows = set(zip(values["dataset"], values["paper_model"], strict=True))
    assert set(zip(paper["dataset"], paper["model"], strict=True)) <= rows
    ours = values[values["n_seeds"].astype(int) > 0]
    assert len(ours) >= 4
    for metric in metrics_of(paper):
        assert all(0 <= float(value) <= 1 for value in ours[f"{metric}_mean"]), metric
        assert all(math.isfinite(float(value)) for value in ours[f"{metric}_sd"]), metric
    without = values[values["n_seeds"].astype(int) == 0]
    told = without["remark"].str.contains("not part of this run") | (without["reason"] != "")
    assert told.all()
    for form in ("md", "html", "tex"):
        text = (demo / f"tables/table{number}.{form}").read_text()
        assert "nan" not in text.lower().replace("nanog", "") and TITLES[number] in text


def test_rows_of_the_ablations(root, demo):
    """All of the paper's but the batches that the demo says it leaves out."""
    left_out = set(load_yaml(root / "config/demo.yaml")["unavailable"])
    for number in (5, 7, 8):
        values = pd.read_csv(demo / f"tables/table{number}.csv").set_index("model")
        assert set(values.index[values["n_seeds"] == 0]) <= left_out
    assert {"batch-128", "batch-256", "batch-512"} == set(values.index[values["n_seeds"] == 0])


def test_figure_2_and_the_page(demo):
    numbers = json.loads((demo / "figures/figure2.json").read_text())
    assert 0 <= numbers["drawn"]["embedding"]["multi_modal"]["purity"]["value"] <= 1
    assert (demo / "figures/figure2.png").stat().st_size > 10_000
    page = (demo / "report.html").read_text()
    assert all(f"Table {number}" in page for number in TITLES) and "Figure 2" in page
    assert "simulated toy atlas" in page


def test_nothing_is_left_to_do(root, demo):
    done = snakemake(root, "-n", *DEMO, "--", "all")
    assert done.returncode == 0 and "Nothing to be done" in done.stdout + done.stderr
