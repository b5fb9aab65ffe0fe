"""Check of SpliceAI's training tables (docs/facts.md 8)."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genebert.genome.anchors import tell_build
from genebert.genome.builds import BUILD_LENGTHS, check_regions, normalise_names
from genebert.genome.chromosomes import by_rank
from genebert.genome.tables import read_table, refuse
from genebert.sources.registry import BUILD

COLUMNS = ("gene", "paralog", "chrom", "strand", "tx_start", "tx_end", "jn_start", "jn_end")
TEST_CHROMOSOMES = ("chr1", "chr3", "chr5", "chr7", "chr9")
PUBLISHED_CANONICAL = {
    "train": {"genes": 13384, "introns": 130796},
    "test": {"genes": 1652, "introns": 14289},
    "status": "unconfirmed",
}
# Column: regular expression of a whole field, what to say.
_FIELDS = {
    "gene": (r".+", "a name"),
    "paralog": (r"[01]", "0 or 1"),
    "strand": (r"[+-]", "+ or -"),
    "tx_start": (r"[1-9]\d{0,8}", "a position, counted from 1"),
    "tx_end": (r"[1-9]\d{0,8}", "a position, counted from 1"),
    "jn_start": (r"([1-9]\d{0,8},)*", "positions, each followed by a comma"),
    "jn_end": (r"([1-9]\d{0,8},)*", "positions, each followed by a comma"),
}


def _positions(lists: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return all positions of a column of lists (int64), and how many each row has."""
    numbers = "".join(lists).split(",")[:-1]
    return np.array(numbers, dtype=np.int64), lists.str.count(",").to_numpy(np.int64)


def check_splice_table(path: Path, *, paired: bool) -> dict[str, Any]:
    """Check one table and count genes and junctions.

    If `paired`, the i-th jn_start and jn_end are the two ends of one intron inside the transcript. Otherwise (GTEx) the
    lists may differ in length and hold positions outside the transcript, which SpliceAI ignores; they are counted.
    """
    table = read_table(path, COLUMNS, header=False)
    for column, (pattern, expected) in _FIELDS.items():
        refuse(~table[column].str.fullmatch(pattern).to_numpy(bool), table[column], path, column, expected)
    table["chrom"] = table["chrom"].map(normalise_names(table["chrom"].unique(), BUILD, str(path)))
    starts, ends = (table[column].to_numpy(str).astype(np.int64) for column in ("tx_start", "tx_end"))
    refuse(ends <= starts, table["tx_end"], path, "tx_end", "more than tx_start")

    junctions, outside = {}, np.zeros(len(table), dtype=np.int64)
    for column in ("jn_start", "jn_end"):
        positions, number = _positions(table[column])
        row = np.repeat(np.arange(len(table)), number)
        out = np.bincount(row[(positions < starts[row]) | (positions > ends[row])], minlength=len(table))
        if paired:
            refuse(out > 0, table[column], path, column, "all between tx_start and tx_end")
        junctions[column], outside = (positions, number), outside + out
    (donors, n_start), (acceptors, n_end) = junctions.values()
    if paired:
        found = pd.Series(n_start, table.index).astype(str) + " and " + n_end.astype(str)
        refuse(n_start != n_end, found, path, "the number of jn_start and jn_end", "as many of both")
        late = np.bincount(row[donors >= acceptors], minlength=len(table)) > 0
        refuse(late, table["jn_end"], path, "jn_end", "each more than its jn_start")

    genes = pd.DataFrame({"gene": table["gene"], "chrom": table["chrom"], "tx_start": starts, "tx_end": ends})
    told = tell_build(genes, BUILD, str(path))
    regions = pd.DataFrame({"chrom": table["chrom"], "start": starts - 1, "end": ends})
    check_regions(regions, BUILD_LENGTHS[BUILD], str(path), BUILD)

    paralog_0 = table["paralog"] == "0"
    sites = {"introns": n_start} if paired else {"jn_start": n_start, "jn_end": n_end}
    count = pd.DataFrame({"chrom": table["chrom"], "genes": 1, "genes_paralog_0": paralog_0.astype(int), **sites})
    columns = ["genes", *sites]
    test = count["chrom"].isin(TEST_CHROMOSOMES)
    counts = count.drop(columns="chrom").sum().to_dict() | {
        "positions_outside_transcripts": int(outside.sum()),
        "train": count.loc[~test, columns].sum().to_dict(),
        "test": count.loc[test & paralog_0, columns].sum().to_dict(),
        "chromosomes": count.groupby("chrom").sum().loc[by_rank(count["chrom"])].to_dict(orient="index"),
    }
    return told | {"counts": counts}
