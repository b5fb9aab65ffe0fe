"""The page of a run as a whole: valid, complete, by itself, the same again; in a browser where there is one."""

import getpass
import json
import re
import shutil
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import html5lib
import pytest
from page_inputs import PROMOTER, ROOT, benchmark, make_page_run

from genebert.errors import InputError
from genebert.paper import TITLES
from genebert.report.page.build import write_page
from genebert.report.page.tables import read_tables
from genebert.report.text import ReportSettings

NAMESPACE = "{http://www.w3.org/1999/xhtml}"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def made(base, change=None, **shape):
    """Write the page of a small run; `change` may exchange files and facts. Returns the folder and the page."""
    folder, files, run = make_page_run(base, **shape)
    files, run = change(files, run) if change else (files, run)
    write_page(folder, files, run)
    return folder, (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return made(tmp_path_factory.mktemp("page"))


def parsed(text):
    """Return the page's document; a page that is not valid is an error of the parser."""
    return html5lib.HTMLParser(strict=True).parse(text)


def section(document, name):
    return document.find(f".//{NAMESPACE}section[@id='{name}']")


def texts(element, tag):
    return ["".join(one.itertext()).strip() for one in element.iter(NAMESPACE + tag)]


def test_it_is_valid_and_no_id_stands_twice(page):
    document = parsed(page[1])
    ids = [one.get("id") for one in document.iter() if one.get("id")]
    assert len(ids) == len(set(ids)) > 20
    links = [one.get("href") for one in document.iter(NAMESPACE + "a")]
    assert links and all(link[0] == "#" and link[1:] in ids for link in links)


def test_it_asks_the_net_for_nothing(page):
    document = parsed(page[1])
    for one in document.iter():
        for name, value in one.attrib.items():
            if name in ("src", "href", "srcset", "data", "action", "poster"):
                assert value.startswith(("data:", "#")), (one.tag, name, value[:60])
    assert not re.search(r"@import|url\((?!data:)", page[1])
    assert "default-src 'none'" in page[1]


def test_the_first_lines_say_what_was_run_and_its_scale(page):
    document = parsed(page[1])
    assert texts(document, "h1") == ["GeneBERT run toy: constructed, test size"]
    assert texts(document, "title") == ["GeneBERT run toy: constructed, test size"]
    assert "Nothing here was measured." in texts(document, "strong")


def test_every_row_of_a_table_is_there_and_tables_without_file_are_named(page):
    folder, text = page
    document = parsed(text)
    for part in read_tables([folder / "tables/table1.html"])[1]:
        table = document.find(f".//{NAMESPACE}table[@id='{part.id}']")
        rows = [[" ".join(texts_of(cell)) for cell in row] for row in table.iter(NAMESPACE + "tr")]
        for _, expected in part.groups:
            for row in expected:
                assert [cell.text for cell in row] in rows
    assert [f"Table {number}. {title}" in text for number, title in TITLES.items()] == [True] * 8
    assert "Not part of this run: tfbs/CTCF: withdrawn by its authors." in texts(section(document, "table2"), "p")
    assert "Not part of this run: the run has no file of it." in texts(section(document, "table7"), "p")


def texts_of(element):
    return [text for text in element.itertext() if text]


def test_claims_are_judged_and_their_comparisons_shown(page):
    summary = section(parsed(page[1]), "summary")
    rows = [texts(row, "td") for row in summary.iter(NAMESPACE + "tr")]
    (promoters,) = [
        row for row in rows if row and row[0].startswith("Multi-modal pre-training beats DNABERT on promot")
    ]
    assert promoters[3].endswith("holds in this run") and "0.894 against 0.693" in promoters[1]
    assert promoters[5].startswith("kmer-logreg 0.9")
    (losses,) = [row for row in rows if row and row[0].startswith("Each loss")]
    assert losses[3].endswith("not part of this run") and "no row of this run: mgm, mgm-ngsp, mgm-ngsp-srm" in losses[4]
    assert any(row[1:4] == ["holds", "genebert", "dnabert"] for row in rows if len(row) > 10)


def test_verdicts_are_of_a_run_and_its_scale_stands_beside_them(page, tmp_path):
    sentence = "Verdicts are of this run: constructed, test size."
    header = parsed(page[1]).find(f".//{NAMESPACE}header")
    assert sentence in texts(header, "p")
    assert [text.lstrip("\u2713\u2717?\u2013") for text in texts(header, "span")] == [
        "holds in this run", "does not hold in this run", "cannot be told in this run", "not part of this run",
    ]  # fmt: skip

    def paper(files, run):
        return files, replace(run, settings=ReportSettings("toy", "paper scale"))

    assert "Verdicts are of this run" not in made(tmp_path, paper)[1]


def test_models_of_ablations_are_listed_by_themselves(page, tmp_path):
    def change(files, run):
        path = Path(files.models[0]).parents[1] / "mgm/model.json"
        path.parent.mkdir()
        shutil.copy(files.models[0], path)
        return replace(files, ablations=[str(path)]), run

    folder, text = made(tmp_path, change)
    run = section(parsed(text), "run")
    assert "1 model of the ablations (Tables 5, 7 and 8) alone" in texts(run, "summary")
    tables = {one.get("aria-label"): texts(one, "td") for one in run.iter(NAMESPACE + "div")}
    assert tables["models"][0] == "genebert" and tables["models of the ablations"][0] == "mgm"
    assert "models/mgm/model.json" in (folder / "ro-crate-metadata.json").read_text()
    assert "models of the ablations" not in page[1]


def test_a_caption_keeps_the_form_of_the_matrix(tmp_path):
    form = "region x TF matrix: max_score; as an image: fold"

    def change(files, run):
        path = Path(files.tables[0])
        table = path.read_text().replace("Table 1. Promoter prediction", f"Table 5. Pre-training losses ({form})")
        other = path.with_name("table5.html")
        other.write_text(table.replace("table1-", "table5-"))
        shutil.copy(path.with_suffix(".csv"), other.with_suffix(".csv"))
        return replace(files, tables=[*files.tables, str(other)]), run

    text = made(tmp_path, change)[1]
    losses, promoters = (section(parsed(text), name) for name in ("table5", "table1"))
    assert texts(losses, "h2") == ["Table 5. Pre-training losses"] and form in texts(losses, "p")
    assert texts(losses, "summary") == texts(promoters, "summary") == ["further values of ours"]
    assert texts(promoters, "p") == []


def test_pictures_are_described(page):
    pictures = list(parsed(page[1]).iter(NAMESPACE + "img"))
    assert len(pictures) == 4  # training, learning, the card's, cost
    assert all(len(one.get("alt")) > 40 for one in pictures)


def test_the_card_is_in_it_as_text_not_as_code(page):
    card = section(parsed(page[1]), "card")
    assert "T <cells>" in texts(card, "td")
    assert "See elsewhere; 68 of 111 promoters overlap." in texts(card, "p")


def test_time_and_memory_stand_in_one_section(page, tmp_path):
    def change(files, run):
        benchmark(tmp_path / "results/toy", f"fit/{PROMOTER}/genebert", 99.0)
        benchmark(tmp_path / "results/toy", "pretrain/genebert", 4.0)
        return files, run

    before, (_, after) = page[1], made(tmp_path, change)
    assert "99.0" in after
    cut = re.compile(r'<section id="time">.*?</section>', re.DOTALL)
    assert cut.sub("", before) == cut.sub("", after) and before != after


def test_the_same_files_elsewhere_give_the_same_bytes(tmp_path, page):
    _, again = made(tmp_path / "another place")
    assert again == page[1]


def test_no_place_machine_or_person_is_named(page, tmp_path):
    folder, text = page
    crate = (folder / "ro-crate-metadata.json").read_text()
    visible = re.sub(r'"data:[^"]*"', "", text)
    for name in (str(folder), str(folder.parents[1]), str(ROOT), str(Path.home()) + "/", socket.gethostname()):
        assert name not in visible and name not in crate
    assert f"/{getpass.getuser()}/" not in visible
    assert "secret" not in visible and "…/genome.fa.gz" in visible


def test_the_crate_lists_the_files_and_loads_again(page):
    from rocrate.rocrate import ROCrate

    folder, _ = page
    crate = ROCrate(folder)
    found = {entity.id: entity for entity in crate.data_entities}
    assert {"report.html", "tables/table1.csv", "corpus/card.json", f"scores/{PROMOTER}/genebert/seed0.json"} <= set(
        found
    )
    from genebert.files import sha256

    for name, entity in found.items():
        path = folder / name
        assert entity["sha256"] == sha256(path) and int(entity["contentSize"]) == path.stat().st_size
    (action,) = crate.get_by_type("CreateAction")
    assert {one.id for one in action["result"]} == set(found) and action["instrument"].id == "#workflow"
    about = json.loads((folder / "ro-crate-metadata.json").read_text())
    (root,) = [one for one in about["@graph"] if one["@id"] == "./"]
    assert "datePublished" not in root  # no commit is known here


def test_a_run_without_curves_and_benchmarks_says_so(tmp_path):
    def change(files, run):
        shutil.rmtree(tmp_path / "results/toy/benchmark")
        return replace(files, training=[], learning=[], models=[]), run

    _, text = made(tmp_path, change)
    document = parsed(text)
    assert "No model of this run's tables is pre-trained in it." in texts(section(document, "training"), "p")
    assert "This run has no learning curve." in texts(section(document, "learning"), "p")
    assert "No benchmark file of this run is left." in texts(section(document, "time"), "p")


def test_a_run_without_tables_is_a_page_too(tmp_path):
    def change(files, run):
        return replace(files, scores=[], tables=[]), run

    _, text = made(tmp_path, change)
    verdicts = texts(section(parsed(text), "summary"), "span")
    assert len(verdicts) == 10 and all(verdict.endswith("not part of this run") for verdict in verdicts)


def test_bad_input_leaves_no_page(tmp_path):
    def change(files, run):
        Path(files.tables[0]).write_text("<html><body></body></html>")
        return files, run

    with pytest.raises(InputError, match="expected a table of this workflow"):
        made(tmp_path, change)
    assert not (tmp_path / "results/toy/report.html").exists()


# Told in the title: the page's width and the window's, what was loaded, and a column after a click on its heading.
PROBE = """<script>window.addEventListener("load", function () {
  var table = document.getElementById("table1-main"), heads = table.tHead.rows[table.tHead.rows.length - 1].cells;
  var n = Array.prototype.findIndex.call(heads, function (one) { return one.textContent.indexOf("AUC 95") >= 0; }) - 1;
  function column() {
    return Array.prototype.filter.call(table.tBodies[0].rows, function (row) { return row.cells.length > 1; })
      .map(function (row) { return parseFloat(row.cells[n].textContent); });
  }
  heads[n].querySelector("button").click();
  var up = column();
  heads[n].querySelector("button").click();
  var loaded = performance.getEntriesByType("resource").filter(function (one) { return !/^data:/.test(one.name); });
  document.title = JSON.stringify({page: document.documentElement.scrollWidth, window: window.innerWidth, up: up,
    down: column(), loaded: loaded.length});
});</script>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize("width", [1280, 500])
def test_a_browser_shows_it_sorts_tables_and_loads_nothing(page, tmp_path, width):
    """Tables and pictures wider than the window scroll in boxes of their own; 500 is the least of a headless window."""
    path = tmp_path / "probe.html"
    path.write_text(page[1].replace("</body>", PROBE + "</body>"))
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile",
               f"--window-size={width},900", "--virtual-time-budget=3000", "--dump-dom", path.as_uri()]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)[1]
    found = json.loads(title)
    assert found["page"] <= found["window"] and found["loaded"] == 0
    assert found["up"] == sorted(found["up"]) and found["down"] == found["up"][::-1] and len(set(found["up"])) == 3
