"""CITATION.cff says what pyproject.toml and LICENSE say (`cffconvert`, its validator, wants an older jsonschema)."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_it_cites_this_version_under_its_licence():
    assert CITATION["cff-version"] == "1.2.0" and CITATION["type"] == "software" and CITATION["message"]
    assert (CITATION["version"], CITATION["license"]) == (PROJECT["version"], PROJECT["license"])
    (holder,) = re.findall(r"Copyright \(c\) \d+ (.+)", (ROOT / "LICENSE").read_text())
    assert CITATION["authors"] == [{"name": holder}]


def test_both_papers_are_references():
    papers = {one["identifiers"][0]["value"]: one for one in CITATION["references"]}
    assert papers.keys() == {"arXiv:2110.05231", "arXiv:2112.07571"}
    for number, paper in papers.items():
        assert paper["type"] == "article" and paper["title"] and paper["year"] == 2021
        assert paper["url"] == f"https://arxiv.org/abs/{number.removeprefix('arXiv:')}"
        assert all(author.keys() == {"given-names", "family-names"} for author in paper["authors"])


def test_the_changelog_is_about_this_version():
    text = (ROOT / "CHANGELOG.md").read_text()
    assert f"version {PROJECT['version']} of" in text and re.search(r"^## Unreleased$", text, re.MULTILINE)
