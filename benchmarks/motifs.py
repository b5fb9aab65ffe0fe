"""Regions x motifs matrices beside bare MOODS on the same bases, in one run.

    PYTHONPATH=src python benchmarks/motifs.py [--regions 6776] [--processes 1]

"bare MOODS" is what a user of MOODS alone would do: thresholds, tables, scanning of both strands, hits counted and
dropped. "binary" and "counts" find the same hits and also sort them into a matrix on disk; the others are of other
work, so their lines show a rate and no ratio: "max_score" needs no thresholds and is scanned with lightmotif,
"descartes" looks for rarer hits. One process on each side, unless --processes says so.

Bases are 500-bp windows round the middles of fetal-brain ATAC peaks on chr20 where the public data folder is present
($GENEBERT_SHARED_DATA or ../shared/data), random bases otherwise.
"""

import argparse
import gzip
import os
import tempfile
import time
from pathlib import Path

import MOODS.scan
import MOODS.tools
import numpy as np
import pandas as pd

from genebert.genome.bases import decode, encode
from genebert.genome.sequences import RegionSequences
from genebert.motifs.jaspar import Motif, load_jaspar
from genebert.motifs.matrix import build_motif_matrix
from genebert.motifs.scoring import base_counts, strand_background
from genebert.settings.data import MotifSettings

WIDTH = 500
P_VALUE = 1e-4
DATA = Path(os.environ.get("GENEBERT_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def regions(number: int) -> tuple[RegionSequences, str]:
    """Return `number` regions of `WIDTH` bases, and what they are."""
    offsets = np.arange(number + 1, dtype=np.int64) * WIDTH
    rng = np.random.default_rng(0)
    if not DATA.exists():
        return RegionSequences(rng.integers(0, 4, number * WIDTH).astype(np.uint8), offsets, "random"), "random"
    with gzip.open(DATA / "genome" / "chr20.fa.gz") as handle:
        handle.readline()
        chr20 = encode(handle.read().replace(b"\n", b""))
    beds = [pd.read_csv(path, sep="\t", header=None, usecols=[0, 1, 2]) for path in (DATA / "peaks").glob("*.bed.gz")]
    peaks = pd.concat(beds)
    peaks = peaks[peaks[0] == "chr20"]
    middles = np.unique((peaks[1] + peaks[2]) // 2)
    starts = np.sort(np.resize(rng.permutation(middles), number)) - WIDTH // 2
    codes = chr20[(starts[:, None] + np.arange(WIDTH)).ravel()]
    return RegionSequences(codes, offsets, "hg19"), "chr20 peaks"


def bare_moods(sequences: RegionSequences, chosen: list[Motif], together: bool) -> tuple[float, float]:
    """What a user of MOODS alone would do, hits counted and dropped: (seconds in all, seconds of scanning)."""
    texts = [decode(sequences[i]) for i in range(len(sequences))]
    start = time.perf_counter()
    background = list(strand_background(base_counts(sequences).sum(axis=0)))
    forward = [MOODS.tools.log_odds(motif.counts.tolist(), background, 1.0) for motif in chosen]
    thresholds = [MOODS.tools.threshold_from_p(log_odds, background, P_VALUE) for log_odds in forward]
    scanner = MOODS.scan.Scanner(7)
    scanner.set_motifs(forward + [MOODS.tools.reverse_complement(m) for m in forward], background, thresholds * 2)
    scanning = time.perf_counter()
    hits = 0
    # A megabase at a time, or every hit would be a Python object at once.
    batches = (["N".join(texts[i : i + 2000])] for i in range(0, len(texts), 2000)) if together else [texts]
    for batch in batches:
        for text in batch:
            hits += sum(map(len, scanner.scan(text)))
    end = time.perf_counter()
    return end - start, end - scanning


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regions", type=int, default=6776)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--smallest", action="store_true", help="20 regions and motifs; the figures say nothing")
    arguments = parser.parse_args()
    sequences, what = regions(20 if arguments.smallest else arguments.regions)
    chosen = load_jaspar()[: 20 if arguments.smallest else None]
    bases = int(sequences.offsets[-1])
    windows = 2 * len(sequences) * sum(WIDTH - motif.width + 1 for motif in chosen)
    print(f"{len(sequences)} regions of {WIDTH} bp ({what}), {bases / 1e6:.2f} Mbp, {len(chosen)} motifs, both strands")

    def line(name: str, seconds: float, reference: float | None) -> None:
        ratio = f"  x {reference / seconds:.2f} of bare MOODS" if reference else ""
        print(
            f"{name:42s} {seconds:7.2f} s  {bases / seconds / 1e6:6.2f} Mbp/s  {windows / seconds / 1e9:5.2f} "
            f"billion windows/s{ratio}"
        )

    whole, scan = bare_moods(sequences, chosen, together=True)
    line(f"bare MOODS, p {P_VALUE:g}, scanning alone", scan, scan)
    line("bare MOODS with thresholds and tables", whole, whole)
    single, _ = bare_moods(sequences, chosen, together=False)
    line("bare MOODS, region by region", single, whole)
    for kind in ("binary", "counts", "max_score", "descartes"):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            build_motif_matrix(sequences, chosen, MotifSettings(matrix=kind), Path(folder), arguments.processes)
            same = whole if kind in ("binary", "counts") else None
            line(f"{kind} matrix, {arguments.processes} process(es), all in", time.perf_counter() - start, same)


if __name__ == "__main__":
    main()
