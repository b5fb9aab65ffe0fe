"""What the pages say of the kept run of chr20 is what its files say."""

import re

import kept_run
import pytest
import yaml
from kept_run import BLOCK, KEPT, PAGES, ROOT


@pytest.mark.parametrize("page", PAGES)
def test_tables_of_the_pages_are_the_runs(page):
    """A difference: `python tests/kept_run.py` writes them anew."""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert BLOCK.search(text) and text.count("<!-- chr20:") == len(BLOCK.findall(text))
    assert kept_run.written_anew(text) == text


def test_the_kept_files_are_of_the_run_that_the_overlay_makes():
    config = yaml.safe_load((ROOT / "config/examples/fetal-brain.yaml").read_text())
    for path in KEPT.glob("table*.csv"):
        table = kept_run.read(path.stem)
        assert set(table["run"]) == {config["run"]} and set(table["scale"]) == {config["scale"]}, path
    motifs = yaml.safe_load((ROOT / "config/examples/fetal-brain-motifs.yaml").read_text())
    assert set(kept_run.read("motifs_table2")["run"]) == {motifs["run"]}
    base = yaml.safe_load((ROOT / "config/examples/fetal-brain-base.yaml").read_text())
    assert set(kept_run.read("base_scores")["run"]) == {base["run"]}
    checks = yaml.safe_load((ROOT / "config/examples/fetal-brain-checks.yaml").read_text())
    for name in ("checks_table1", "checks_table2"):
        assert set(kept_run.read(name)["run"]) == {checks["run"]}
    longer = yaml.safe_load((ROOT / "config/examples/fetal-brain-long.yaml").read_text())
    assert set(kept_run.read("longer_table2")["run"]) == {longer["run"]}
    toy = yaml.safe_load((ROOT / "config/examples/toy-cell-types.yaml").read_text())
    assert set(kept_run.read("../toy/cell_accessibility")["run"]) == {toy["run"]}
    for number in range(1, 9):
        assert (KEPT / f"table{number}.csv").is_file()
    rows = config["tables"]["table1"]["promoter/prom-core"]
    assert kept_run.ours("table1")["model"].tolist() == rows
    assert (KEPT / "report.html").stat().st_size < 10_000_000


def test_no_place_or_person_stands_in_the_kept_page():
    text = (KEPT / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"(?:/root/|/home/|/tmp/|/work/)", text)
    assert re.search(r"\b[0-9a-f]{40}\b", text), "the page names the revision that it was made with"


def test_each_table_has_a_place_in_the_pages():
    named = {name for page in PAGES for _, name, _, _ in BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))}
    assert named == set(kept_run.MAKERS)
