"""Pages: every relative link and anchor leads somewhere, as a code host reads them and as the site does."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("config/**/*.md")], key=lambda page: page.as_posix()
)
LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")


def prose(page: Path) -> list[str]:
    """Return the lines of a page that are no code, code within a line left out."""
    lines, fence = [], None
    for line in page.read_text(encoding="utf-8").splitlines():
        mark = re.match(r" *(`{3,})", line)
        if mark and (fence is None or len(mark[1]) >= fence):
            fence = len(mark[1]) if fence is None else None
        elif fence is None and not line.startswith("    "):
            lines.append(line)
    return lines


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    found: list[str] = []
    for line in prose(page):
        if heading := re.match(r"#{1,6} +(.*?) *$", line):
            words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
            name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
            found.append(f"{name}-{found.count(name)}" if name in found else name)
    return frozenset(found)


def problems(page: Path) -> list[str]:
    """Return what is wrong with the relative links of a page."""
    wrong = []
    for line in prose(page):
        for link in LINK.findall(re.sub(r"`[^`]*`", "``", line)):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if re.match(r"[a-z]+:", link):
                continue
            if path.startswith("/") or not target.is_relative_to(ROOT) or not target.exists():
                wrong.append(f"{link}: no such file")
            elif anchor and anchor not in anchors(target):
                wrong.append(f"{link}: no such heading")
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    assert problems(page) == []


def test_links_that_lead_nowhere_are_found(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "other.md").write_text("# One `key`, two\n\n## Again\n\n## Again\n\n```\n# no heading\n```\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[good](other.md#one-key-two) [good](other.md#again-1) [good](#here) ![good](other.md) [far](https://x.y/z)\n"
        "\n# Here\n\n`[code](nothing.md)`\n\n    [code](nothing.md)\n\n"
        "[a](nothing.md) [b](other.md#no-heading) [c](#there)\n"
        "[d](/other.md) [e](../above.md) [the [f] one](nowhere/)\n"
    )
    assert [one.partition(":")[0] for one in problems(page)] == [
        "nothing.md", "other.md#no-heading", "#there", "/other.md", "../above.md", "nowhere/",
    ]  # fmt: skip


def test_every_page_has_one_place_in_the_navigation():
    """The strict build says so too, where MkDocs is installed."""

    def leaves(entry):
        if isinstance(entry, str):
            return [entry]
        return [leaf for inner in (entry.values() if isinstance(entry, dict) else entry) for leaf in leaves(inner)]

    listed = leaves(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in ROOT.glob("docs/**/*.md")]
    assert sorted(listed) == sorted(["index.md", *pages, "CONTRIBUTING.md", "CHANGELOG.md", "config/README.md"])


@pytest.mark.parametrize("overlay", ["fetal-brain", "bm0828"])
def test_the_files_of_the_recorded_runs_are_listed(overlay):
    """A stranger learns of each file where it comes from."""
    folder = ROOT / "config/examples"
    listed = re.findall(r"^\| `([^`]+)` \|", (folder / "README.md").read_text(), flags=re.MULTILINE)
    used = re.findall(r"\{data\}/([^\s\"',}]+)", (folder / f"{overlay}.yaml").read_text())
    assert used and [name for name in used if not any(fnmatch(name, pattern) for pattern in listed)] == []


def build(root: Path, site: Path) -> subprocess.CompletedProcess:
    """Build the site of a checkout, as `make docs` does."""
    command = [sys.executable, "-m", "mkdocs", "build", "--config-file", root / "mkdocs.yml", "--site-dir", site]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


needs_mkdocs = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("mkdocs", "material")),
    reason="MkDocs is not installed: make docs, or pip install -c requirements.txt '.[docs]'",
)


@needs_mkdocs
def test_the_site_is_built_without_a_warning_and_takes_nothing_from_the_net(tmp_path):
    done = build(ROOT, tmp_path / "site")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr
    pages = {path.relative_to(tmp_path / "site").as_posix(): path.read_text() for path in tmp_path.rglob("*.html")}
    assert {"index.html", "own-data.html", "config/examples/own-data.yaml.html", "CONTRIBUTING.html"} <= pages.keys()
    for name, text in pages.items():
        fetched = re.findall(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"?(?:https?:)?//[^\s>]+", text)
        fetched += re.findall(r"<link\b(?![^>]*rel=\"?canonical)[^>]*href=\"?(?:https?:)?//[^\s>]+", text)
        assert fetched == [], name
    assert 'href="config/config.yaml.html"' in pages["index.html"]


@needs_mkdocs
@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("[a](nothing.md)", "nothing.md"),
        ("[a](tasks.md#nothing)", "#nothing"),
        ("[a](../config/nothing.yaml)", "nothing.yaml"),
    ],
)
def test_a_link_that_leads_nowhere_stops_the_build(tmp_path, broken, said):
    for name in ("docs", "config"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for path in [*ROOT.glob("*.md"), ROOT / "mkdocs.yml"]:
        shutil.copy(path, tmp_path)
    with (tmp_path / "docs/choices.md").open("a") as page:
        page.write(f"\n{broken}\n")
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode != 0
    assert said in done.stderr + done.stdout and "strict mode" in done.stderr + done.stdout
