"""How much of the splice sites of a table pre-training has seen, below the table."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from genebert.files import read_json
from genebert.paper import PAPER_SPLICING
from genebert.report.tables.blocks import Block, Column
from genebert.report.text import count, percent

PARTS = {"all": "All splits", "test": "Test"}


def shown_regions(regions: Mapping[str, Any]) -> str:
    """Return what training samples show of regions, in words."""
    shown = "" if regions["region_bp"] is None else f", the middle {regions['region_bp']} bases of each"
    return f"{regions['number']:,} regions{shown}, {regions['bases']:,} different bases"


def coverage_block(title: str, subtitle: str, paths: Iterable[str | Path]) -> list[Block]:
    """Return the shares of sites and bases whose window lies in pre-training regions; nothing without a file."""
    told = [read_json(path) for path in paths]
    if not told:
        return []
    rows = [(one["data_set"], context, parts) for one in told for context, parts in one["contexts"].items()]
    columns = [
        Column("Data set", [name for name, _, _ in rows], number=False),
        Column("Context", [context for _, context, _ in rows]),
    ]
    for part, spanner in PARTS.items():
        found = [parts[part] for _, _, parts in rows]
        columns += [
            Column("Sites", [count(one["sites"]) for one in found], spanner),
            Column("Covered", [count(one["sites_covered"]) for one in found], spanner),
            Column("Share", [percent(one["share_of_sites"], 2) for one in found], spanner),
            Column("Bases", [count(one["bases"]) for one in found], spanner),
            Column("Share of bases", [percent(one["share_of_bases"], 2) for one in found], spanner),
        ]
    sites, covered = PAPER_SPLICING["sites"], PAPER_SPLICING["covered"]
    notes = [
        "Covered: the base and half the context on either side of it lie in bases that training samples of "
        f"pre-training are made of: {shown_regions(told[0]['regions'])}. "
        "Context 0: the base alone. Evaluated bases of a gene; bases of two genes count twice, as in the metrics.",
        f"The paper: {covered:,} of {sites:,} sites are fully covered, which is {percent(covered / sites)}; it writes "
        f"{percent(PAPER_SPLICING['share'])} and does not say of what, nor for which window.",
    ]
    heading = f"{title}: what pre-training has seen"
    return [Block("coverage", heading, subtitle, columns, notes, grouped=True)]
