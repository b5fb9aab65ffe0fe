"""The page of facts: every entry that is cited exists, and every entry is cited."""

import re
from itertools import chain

FOLDERS = ("src", "tests", "benchmarks", "docs", "config", "rules", "workflow", "envs", "slurm")
SUFFIXES = (".py", ".md", ".yaml", ".smk", ".tsv", ".sh")
# A citation stays on one line: "docs/facts.md 12" or "docs/facts.md 12, 13". A plain link ends in a bracket.
CITATION = re.compile(r"docs/facts\.md(?: (\d+(?:, \d+)*))?")


def cited(root):
    """Return the cited numbers with one place for each, and the places that name the page without a number."""
    numbers, without = {}, []
    files = chain(root.glob("*.md"), root.glob("Snakefile"), *((root / folder).rglob("*") for folder in FOLDERS))
    for path in files:
        name = path.relative_to(root).as_posix()
        if name in ("docs/facts.md", "tests/test_facts.py") or not (path.suffix in SUFFIXES or name == "Snakefile"):
            continue
        for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for found in CITATION.finditer(line):
                if found[1]:
                    numbers |= {int(number): f"{name}:{n}" for number in found[1].split(", ")}
                elif line[found.end() : found.end() + 1] not in (")", "]"):
                    without.append(f"{name}:{n}")
    return numbers, without


def test_facts_and_citations_agree(root):
    lines = (root / "docs/facts.md").read_text(encoding="utf-8").splitlines()
    entries = [int(found[1]) for line in lines if (found := re.match(r"(\d+)\. ", line))]
    assert entries == list(range(1, len(entries) + 1)), "docs/facts.md: its entries are not numbered 1, 2, 3, ..."
    numbers, without = cited(root)
    assert not without, f"docs/facts.md is named without the number of an entry at: {', '.join(without)}"
    missing = [f"{number} ({numbers[number]})" for number in sorted(numbers.keys() - set(entries))]
    assert not missing, f"docs/facts.md lacks entries that are cited: {', '.join(missing)}"
    unused = sorted(set(entries) - numbers.keys())
    assert not unused, f"docs/facts.md has entries that nothing cites; cite or delete them: {unused}"
