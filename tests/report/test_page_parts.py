"""Parts of the page: tables read back, pictures as data, Markdown, time and memory, provenance, Figure 2."""

import base64
import json
import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from page_inputs import PROMOTER, ROOT, SVG, benchmark, make_page_run, write
from table_inputs import html_tables

from genebert import __version__
from genebert.errors import InputError
from genebert.report.page.benchmarks import rule_times
from genebert.report.page.figure2 import read_figure2
from genebert.report.page.markdown import markdown_html, read_markdown
from genebert.report.page.pictures import Cost, cost_figure, data_uri, learning_figures, slim
from genebert.report.page.provenance import config_text, differences, environments, placeless, revision
from genebert.report.page.tables import number_of, read_tables
from genebert.report.page.verdicts import ABSENT, FAILS, HOLDS, OPEN

# ------------------------------------------------------------------------------------------------------------- tables


def test_tables_hold_what_their_files_hold(tmp_path):
    _, files, _ = make_page_run(tmp_path)
    (path,) = files.tables
    found = read_tables([path])
    assert list(found) == [1]
    expected = html_tables(Path(path).read_text())
    assert [part.id for part in found[1]] == [table["id"] for table in expected]
    for part, table in zip(found[1], expected, strict=True):
        rows = [(name, [cell.text for cell in row]) for name, rows in part.groups for row in rows]
        assert rows == [(group or "", cells) for group, cells in table["rows"]]
        assert [head.text for head in part.heads] == table["headings"] and part.notes == table["notes"]
        assert [text for text, _ in part.spans if text] == table["spans"]


def test_differences_are_marked_by_their_sign_and_nothing_else(tmp_path):
    _, files, _ = make_page_run(tmp_path)
    main = read_tables(files.tables)[1][0]
    cells = [cell for _, rows in main.groups for row in rows for cell in row]
    assert {cell.mark for cell in cells} == {"up", "down", ""}
    for cell in cells:
        assert (cell.mark == "up") == bool(re.fullmatch(r"\+\d\.\d{3}", cell.text))
        assert (cell.mark == "down") == bool(re.fullmatch(r"-\d\.\d{3}", cell.text))


def test_the_model_stays_in_sight_wherever_its_column_stands(tmp_path):
    _, files, _ = make_page_run(tmp_path)
    text = Path(files.tables[0]).read_text()
    swapped = text.replace('"col">Model<', '"col">Input<').replace('"col">In the paper<', '"col">Model<')
    named = {
        "table1": (text, "Model"),
        "table7": (swapped, "Model"),
        "table8": (swapped.replace("Model<", "A<"), "Input"),
    }
    for name, (changed, heading) in named.items():
        (main, *_) = next(iter(read_tables([write(tmp_path / f"{name}.html", changed)]).values()))
        stays = [
            [cell.stays for cell in row] for row in [main.heads, *(row for _, rows in main.groups for row in rows)]
        ]
        assert [head.text for head in main.heads if head.stays] == [heading]
        assert all(row == stays[0] for row in stays) and sum(stays[0]) == 1


def test_a_further_file_of_a_table_follows_with_ids_of_its_own(tmp_path):
    _, files, _ = make_page_run(tmp_path)
    extended = write(tmp_path / "table1_extended.html", Path(files.tables[0]).read_text())
    found = read_tables([*files.tables, extended])[1]
    assert [part.id for part in found] == [
        "table1-main", "table1-further", "table1_extended-main", "table1_extended-further",
    ]  # fmt: skip
    assert number_of("a/table8_extended.html") == 8


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("table1.html", "<html><body><p>no table</p></body></html>", "holds no table with notes below it"),
        ("table1.html", "<html><body>", "not well-formed"),
        ("figure1.html", "<html/>", "not the name of a table; expected table1.html to table8.html"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, name, text, sentence):
    with pytest.raises(InputError, match=sentence):
        read_tables([write(tmp_path / name, text)])


# ----------------------------------------------------------------------------------------------------------- pictures


def test_a_picture_is_data_and_still_an_svg(tmp_path):
    uri = data_uri(write(tmp_path / "a.svg", SVG))
    kind, _, data = uri.partition(",")
    assert kind == "data:image/svg+xml;base64"
    text = base64.b64decode(data).decode()
    (path,) = ElementTree.fromstring(text)
    assert path.get("d") == "M 1.23 2 L 30.5 10.98" and "today" not in text
    with pytest.raises(InputError, match="found no file"):
        data_uri(tmp_path / "b.svg")
    with pytest.raises(InputError, match=r"found \.txt, expected an svg or png"):
        data_uri(write(tmp_path / "c.txt", "x"))


def test_only_places_lose_decimals():
    kept = '<use transform="scale(0.015625)" x="1.5" stroke-width="0.123456"/>'
    assert slim(kept) == kept
    assert slim('<use transform="translate(1.23456 7)"/>') == '<use transform="translate(1.23 7)"/>'


def test_learning_curves_are_said_in_numbers(tmp_path):
    folder, files, _ = make_page_run(tmp_path)
    (figure,) = learning_figures(files.learning, folder / "figures/learning_curves")
    assert figure.id == "learning-promoter-prom-core"
    assert "genebert 0.700 with 50, 0.800 with 200" in figure.alt and PROMOTER in figure.alt


def test_the_cost_curve_shows_all_and_is_the_same_again():
    costs = [Cost("a", "baseline", 1.0, 0.8), Cost("b", "pre-trained", 50.0, 0.9), Cost("c", "network", 1.1, 0.8)]
    first, again = (cost_figure([("promoter/x", "AUC", costs)]) for _ in range(2))
    assert first == again
    assert "a 0.800 in 1 s; b 0.900 in 50 s; c 0.800 in 1 s" in first.alt
    assert cost_figure([]) is None


# ----------------------------------------------------------------------------------------------------------- Markdown


def test_markdown_becomes_html_without_links_to_files(tmp_path):
    path = write(
        tmp_path / "a.md", "# Title\n\n## Part\n\n| a | b |\n| --- | ---: |\n| <x> | [y](z.md) |\n\n![p](p.png)\n"
    )
    html = read_markdown(path, {"p.png": ("data:image/png;base64,AA", 'what "it" shows')}, level=1)
    assert "Title" not in html and "<h3>Part</h3>" in html
    assert "&lt;x&gt;" in html and "z.md" not in html and ">y<" in html
    assert 'src="data:image/png;base64,AA"' in html and 'alt="what &quot;it&quot; shows"' in html
    assert html.count('<div class="scroll"') == html.count("</table></div>") == 1


def test_html_in_markdown_is_text():
    assert "<script" not in markdown_html("<script>alert(1)</script>\n", {})


# --------------------------------------------------------------------------------------------------- time and memory


def test_time_and_memory_of_rules(tmp_path):
    benchmark(tmp_path, "fit/a/b", 3.0)
    benchmark(tmp_path, "fit/a/c", 5.0, "900")
    benchmark(tmp_path, "table/table1", 0.2, "-")
    benchmark(tmp_path, "report/report", 9.0)
    fit, table = rule_times(tmp_path / "benchmark", "report")
    assert (fit.rule, fit.jobs, fit.seconds, fit.longest, fit.cpu_seconds, fit.max_rss) == ("fit", 2, 8, 5, 4, 900)
    assert (table.rule, table.seconds, table.max_rss) == ("table", 0.2, None)
    assert rule_times(tmp_path / "nothing") == []


@pytest.mark.parametrize("text", ["", "s\tmax_rss\n1\t2\n", "s\tmax_rss\tcpu_time\n-\t1\t1\n"])
def test_what_is_no_benchmark_is_refused(tmp_path, text):
    write(tmp_path / "fit/a.tsv", text)
    with pytest.raises(InputError, match=r"a\.tsv: .*benchmark of Snakemake"):
        rule_times(tmp_path)


# --------------------------------------------------------------------------------------------------------- provenance


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/somebody/data/genome.fa.gz", "…/genome.fa.gz"),
        ("/home/some body/my data/genome.fa.gz", "…/genome.fa.gz"),
        ("/srv/folder/", "…/folder"),
        ("/srv", "…/srv"),
        ("~/data/peaks.bed", "…/peaks.bed"),
        ("https://server.example.org/mirror/x.gz", "…/x.gz"),
        ("file:///srv/x", "…/x"),
        ("lies at /srv/a/b.txt, they say", "lies at …/b.txt, they say"),
        ("resources/simulated/epdnew.bed", "resources/simulated/epdnew.bed"),
        ("Astrocytes/Oligodendrocytes", "Astrocytes/Oligodendrocytes"),
        ("a / b", "a / b"),
        ("{data}/x", "{data}/x"),
    ],
)
def test_places_are_cut_to_their_last_part(text, shown):
    assert placeless(text) == shown
    assert placeless({text: [text]}) == {shown: [shown]}
    assert shown in config_text({"key": text})


def test_differences_from_the_default(tmp_path):
    default = write(
        tmp_path / "config.yaml", "data: resources\na: {b: 1, c: '{data}/x'}\nrows: [1, 2]\nleft: {out: 1}\n"
    )
    config = {"data": "resources", "a": {"b": 2, "c": "resources/x", "d": "/srv/y"}, "rows": [1], "left": {}}
    assert differences(default, config) == [
        ("a.b", "1", "2"), ("a.d", "-", "…/y"), ("rows", "[1, 2]", "[1]"), ("left", "-", "{}"),
        ("left.out", "1", "-"),
    ]  # fmt: skip
    # Blocks that are not shown are no difference.
    assert differences(default, {"rows": [1, 2]}) == []


def test_the_revision_of_a_checkout_and_of_none(tmp_path):
    assert revision(tmp_path) == {"version": __version__}
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e@example.org"]
    write(tmp_path / "a", "1")
    for command in (["init", "-q"], ["add", "a"], ["commit", "-q", "-m", "a", "--date", "2020-02-03T04:05:06"]):
        subprocess.run([*git, *command], check=True)
    found = revision(tmp_path)
    assert re.fullmatch("[0-9a-f]{40}", found["revision"]) and found["state"] == "as committed"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", found["date"])
    write(tmp_path / "a", "2")
    assert revision(tmp_path)["state"] == "with uncommitted changes"
    # A folder within a checkout is not the workflow's.
    (tmp_path / "inner").mkdir()
    assert revision(tmp_path / "inner") == {"version": __version__}


def test_environments_are_those_of_the_stages():
    found = environments(ROOT.glob("envs/*.yaml"))
    assert "rocrate=0.16.0" in found["report"] and "rds2py==0.10.6" in found["accessibility"]
    assert all(pin.partition("=")[0] != "pip" for pins in found.values() for pin in pins)


# ----------------------------------------------------------------------------------------------------------- Figure 2


def figure2(folder, specific=True, chance=0.3, **differences):
    """Write Figure 2's files; `differences`: measure -> low and high; multi-modal 0.5, by chance up to `chance`."""
    sides = {
        model: {name: {"value": 0.5, "chance": 0.1, "low": 0.05, "high": chance} for name in differences}
        for model in ("uni_modal", "multi_modal")
    }
    ends = {name: {"value": (low + high) / 2, "low": low, "high": high} for name, (low, high) in differences.items()}
    judged = {
        "embedding": sides | {"difference": ends},
        "controls": {"kmers": {"value": 0.9}, "gc_cpg": {"value": 0.2}},
    }
    turned = {name: {end: -value for end, value in one.items()} for name, one in ends.items()}
    drawn = {"embedding": sides | {"difference": turned}, "controls": {"shared_regions": {"value": 0.95}}}
    none = {"samples": 7, "unavailable": "7 samples, too few"}
    about = {"drawn": drawn, "specific": judged} if specific else {"drawn": judged, "specific": none}
    text = json.dumps({"run": "toy"} | about)
    return [write(folder / "figure2.svg", SVG), write(folder / "figure2.json", text)]


HELD = {"purity": (0.1, 0.2), "silhouette": (0.1, 0.3), "within_between": (-0.2, -0.1)}


@pytest.mark.parametrize(
    ("within_between", "purity", "verdict"),
    [
        ((-0.2, -0.1), (0.1, 0.2), HOLDS),  # tight: lower is better
        ((0.1, 0.2), (0.1, 0.2), FAILS),
        ((-0.2, 0.1), (0.1, 0.2), OPEN),
        ((-0.2, -0.1), (-0.2, -0.1), FAILS),
    ],
)
def test_figure_2_is_judged_by_its_numbers(tmp_path, within_between, purity, verdict):
    """Of samples without shared regions: those as drawn say the opposite."""
    found = read_figure2(figure2(tmp_path, purity=purity, silhouette=(0.1, 0.3), within_between=within_between), "")
    assert found.line.verdict == verdict
    assert found.line.simple == "purity 0.900 from counts of 4-mers alone (multi-modal 0.500)"
    assert len(found.line.details) == 3 and found.picture.source.startswith("data:image/svg+xml")
    assert found.line.why.endswith("of samples without regions that cell types share")
    assert "multi-modal purity 0.500, by chance 0.050 to 0.300" in found.line.found


def test_figure_2_falls_back_on_samples_as_drawn_and_says_so(tmp_path):
    found = read_figure2(figure2(tmp_path, specific=False, **HELD), "")
    assert found.line.verdict == HOLDS
    assert "of samples as drawn, as the figure has none without regions that cell types share" in found.line.why
    assert "(7 samples, too few)" in found.line.why


def test_figure_2_holds_for_no_model_that_is_as_good_as_chance(tmp_path):
    line = read_figure2(figure2(tmp_path, chance=0.5, **HELD), "").line
    assert line.verdict == OPEN and line.why.startswith("of 3 measures 3 hold; no better than chance; ")
    assert read_figure2(figure2(tmp_path, chance=0.49, **HELD), "").line.verdict == HOLDS
    # What does not hold stays so, whatever chance gives.
    line = read_figure2(figure2(tmp_path, chance=0.5, **HELD | {"purity": (-0.2, -0.1)}), "").line
    assert line.verdict == FAILS and "no better than chance" in line.why


def test_the_numbers_of_figure_2_have_names_in_words(tmp_path):
    numbers = dict(read_figure2(figure2(tmp_path, **HELD), "").numbers)
    assert numbers["samples of pre-training, purity without a model, number of regions in common"] == "0.950"
    place = "without regions that cell types share, embedding, "
    assert numbers[f"{place}multi-modal, distance within / between"] == "0.500 (by chance 0.050 to 0.300, mean 0.100)"
    assert numbers[f"{place}multi-modal - uni-modal, purity"] == "0.150 (95 % 0.100 to 0.200)"
    assert not any("_" in name for name in numbers)


def test_a_run_without_figure_2_says_why(tmp_path):
    found = read_figure2([], "one model cannot be had")
    assert found.line.verdict == ABSENT and found.reason == found.line.why == "one model cannot be had"
    files = figure2(tmp_path, purity=(0, 1), silhouette=(0, 1))
    with pytest.raises(InputError, match=r"has no number specific\.embedding.uni_modal\.within_between\.value"):
        read_figure2(files, "")
    with pytest.raises(InputError, match=r"expected also figure2\.json"):
        read_figure2(files[:1], "")
