"""The data card's page and pictures."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from datacard_inputs import page_of

from genebert.report.card import compute as dc
from genebert.report.card.page import plot_regions_per_type, plot_sharing, write_card

PICTURES = [f"{name}.{suffix}" for name in ("regions_per_type", "sharing") for suffix in ("svg", "png")]


def test_the_page_shows_the_run_and_the_numbers(made):
    _, card = made
    page = page_of(card)
    assert page.startswith("# Data card of run toy\n\n**Scale: simulated, test size.**")
    assert "- A note." in page
    for row in card["cell_types"].values():
        assert f"| {row['accessible_regions']:,} | {100 * row['share_of_union']:.1f} % | {row['only_here']:,} |" in page
    for picture in ("regions_per_type.png", "sharing.png"):
        assert f"]({picture})" in page
    assert "| a\\|b |" in page
    for row in card["inputs"].values():
        assert f"`{row['sha256'][:16]}`" in page
    found = card["leakage"]["data_sets"]["promoter/toy"]["test"]["training"]
    assert f"| promoter/toy | test | all | training | 20 | {found['placed']['overlapping']} (" in page
    assert "without any label" in page
    # Every table row has as many cells as its heading.
    for block in re.findall(r"(?:^\|.*\n)+", page, flags=re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_other_numbers_give_another_page(made):
    """No figure of the page stands in the code: change any number of the card, and the page changes."""
    _, card = made

    def bump(value, path=()):
        """Yield (path, card with one number changed) for all numbers that the page is to show."""
        if isinstance(value, dict):
            for key, item in value.items():
                for where, changed in bump(item, (*path, key)):
                    yield where, {**value, key: changed}
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield path, value + 1000
        elif isinstance(value, list) and path[-1] == "regions_open_in":
            yield path, [value[0] + 1000, *value[1:]]

    parts = ("paper", "steps", "cell_types", "region_lengths", "motifs", "genome", "sharing", "duplicates")
    only_in_json = {
        ("genome", "regions_bases"),  # also in `paper`
        ("genome", "n_bases_in_regions"),  # also in `steps`
        ("region_lengths", "histogram", "at_least_last_edge"),
        ("duplicates", "sequences", "in_repeats"),
        ("duplicates", "groups", "different"),
    }
    page = page_of(card)
    shown = 0
    for part in parts:
        for path, changed in bump(card[part]):
            if (part, *path) not in only_in_json:
                assert page_of({**card, part: changed}) != page, (part, path)
                shown += 1
    assert shown > 60


def test_many_data_sets_keep_the_page_short(made):
    _, card = made
    one = card["leakage"]["data_sets"]["promoter/toy"]
    many = {**card, "leakage": {**card["leakage"], "data_sets": {f"tfbs/set{i}": one for i in range(9)}}}
    page = page_of(many)
    assert page.count("| tfbs/set") == 9 * 3
    assert "label 1" not in page
    assert "label 1" in page_of(card)
    none = {**card, "leakage": {**card["leakage"], "data_sets": {}}}
    assert "No downstream data set is configured." in page_of(none)


def test_the_same_card_gives_the_same_bytes(made, tmp_path):
    """In this process, and in another one with another hash seed and another matplotlibrc."""
    _, card = made
    write_card(card, tmp_path / "one")
    assert json.loads((tmp_path / "one/card.json").read_text()) == card
    (tmp_path / "matplotlibrc").write_text("axes.linewidth: 5\nsvg.hashsalt: other\n")
    code = (
        "import sys; from genebert import files; from genebert.report.card.page import write_card; "
        "write_card(files.read_json(sys.argv[1]), 'two')"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "one/card.json")], cwd=tmp_path, check=True,
        env={**os.environ, "PYTHONHASHSEED": "7", "MATPLOTLIBRC": str(tmp_path / "matplotlibrc")},
    )  # fmt: skip
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == sorted(["card.json", "card.md", *PICTURES])
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


@pytest.mark.parametrize("n", [1, 3, 21])
@pytest.mark.filterwarnings("error")
def test_pictures_of_few_and_many_types(tmp_path, n):
    """Names are whole, values stand in the heat map up to twenty types, and other numbers give other pictures."""
    rng = np.random.default_rng(n)
    open_ = rng.random((n, 60)) < 0.4
    names = [f"Astrocytes/Oligodendrocytes {i}" for i in range(n)]
    if n == 3:
        open_[2] = False
    shared = dc.sharing(sp.csr_matrix(open_), names)
    bars = {name: {"accessible_regions": int(open_[i].sum()), "only_here": shared["only_here"][i]}
            for i, name in enumerate(names)}  # fmt: skip
    plot_sharing(shared, tmp_path, "title")
    plot_regions_per_type(bars, tmp_path, "title")
    pictures = {name: (tmp_path / name).read_bytes() for name in PICTURES}
    assert all(pictures.values())
    text = pictures["sharing.svg"].decode()
    drawn = re.findall(r"<!-- (.*?) -->", text)
    assert sum("Oligodendrocytes" in word for word in drawn) == 2 * n
    values = [word for word in drawn if re.fullmatch(r"0\.\d\d", word)]
    assert (len(values) >= n * (n - 1)) is (n <= 20)
    assert all(f"{row['accessible_regions']}" in pictures["regions_per_type.svg"].decode() for row in bars.values())
    bars[names[0]]["accessible_regions"] += 1
    plot_regions_per_type(bars, tmp_path, "title")
    assert (tmp_path / "regions_per_type.svg").read_bytes() != pictures["regions_per_type.svg"]
