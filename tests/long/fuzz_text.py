"""Readers of text that `fuzz.py` tries: small valid files, how they are changed, and what must come out.

Every reader gets a folder with its files and an empty folder to write into. Where a second, simpler reading of the same
file is possible (`expected`), a result must equal it.
"""

import gzip
import json
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import fuzz_mutations as m
import pandas as pd
from placed_files import source

from genebert.genome.chromosomes import normalise_chromosome

ROOT = Path(__file__).resolve().parents[2]
Files = Mapping[str, bytes]
ANY_TEXT = (*m.TEXT, *m.TEXT, *m.BYTES)


@dataclass(frozen=True, repr=False)
class Reader:
    """One reader of one kind of file."""

    name: str
    seeds: Callable[[], list[Files]]  # valid inputs
    target: tuple[str, ...]  # the files that are changed
    read: Callable[[Path, Path], Any]  # of a folder of files and an empty folder for results
    changes: tuple[m.Change, ...] = ANY_TEXT
    same: tuple[m.Change, ...] = m.SAME  # changes that must not change the result
    gzip: bool = True  # the file may be packed
    expected: Callable[[Path], Any] = field(default=lambda folder: None)  # the right value, or None where not told
    prepare: Callable[[Path], None] = field(default=lambda folder: None)  # makes further files of the changed ones
    lines: int = 1  # of a message at most


def texts(name: str, *contents: str) -> Callable[[], list[Files]]:
    return lambda: [{name: content.encode()} for content in contents]


def folder_files(make: Callable[[Path], Any]) -> Files:
    """Return the files that a function writes into a folder."""
    with tempfile.TemporaryDirectory() as name:
        make(Path(name))
        return {str(path.relative_to(name)): path.read_bytes() for path in Path(name).rglob("*") if path.is_file()}


# Text that is split into data lines as the format says, and nothing else: the second reading.


def all_lines(path: Path) -> list[str]:
    """Return the lines that are not blank; none of a file that is no UTF-8, whose meaning is not told here."""
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
        text = raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except (OSError, EOFError, UnicodeDecodeError):
        return []
    return [line for line in text.split("\n") if line.strip()]


def data_lines(path: Path) -> list[str]:
    return [line for line in all_lines(path) if not line.startswith(("#", "track", "browser"))]


def whole(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,18}", text) is not None


def bed_rows(folder: Path, name: str = "x.bed", separator: str | None = None) -> list[list] | None:
    rows = [line.split(separator) for line in data_lines(folder / name)]
    if not rows or not all(len(row) > 2 and whole(row[1]) and whole(row[2]) for row in rows):
        return None
    return [[normalise_chromosome(row[0]), int(row[1]), int(row[2])] for row in rows]


def frame(table: pd.DataFrame, columns: tuple[str, ...] = ("chrom", "start", "end")) -> list[list]:
    return [list(row) for row in table[list(columns)].itertuples(index=False)]


BED3 = "chr1\t100\t200\nchr1\t300\t450\n2\t0\t10\n"
BED6 = "track name=x\n#note\nchr1 100 200 a 0 +\nchrX 300 450 b 0 -\nchrX 1000 1450 c 5 .\n"


def read_bed(folder: Path, out: Path) -> list[list]:
    from genebert.genome.bed import read_bed

    return frame(read_bed(folder / "x.bed"))


NAMES = "chr1-752336-752980\nchr1-900000-900500\nchrX-5-10\n"


def read_peaks(folder: Path, out: Path) -> list[list]:
    from genebert.genome.bed import read_peaks

    return frame(read_peaks(folder / "peaks.txt"))


def peak_rows(folder: Path) -> list[list] | None:
    found = [re.fullmatch(r"(chr[0-9XYM]+)[-:_]([0-9]{1,18})[-_]([0-9]{1,18})", line.strip())
             for line in data_lines(folder / "peaks.txt")]  # fmt: skip
    if found and all(found):
        return [[one[1], int(one[2]), int(one[3])] for one in found if one]
    return bed_rows(folder, "peaks.txt")


NARROW = (
    "chr1\t100\t200\tp1\t900\t.\t12.5\t3.1\t2.2\t50\nchr1\t300\t450\tp2\t800\t.\t7\t-1\t-1\t-1\n"
    "chrX\t10\t60\tp3\t5\t.\t1e2\t1\t1\t0\n"
)


def read_chip(folder: Path, out: Path) -> list[list]:
    from genebert.genome.bed import read_chip_peaks

    return frame(read_chip_peaks(folder / "x.bed"), ("chrom", "start", "end", "signal", "centre"))


def chip_rows(folder: Path) -> list[list] | None:
    """Return the rows of a narrowPeak file of ten columns with its summits."""
    rows = [line.split("\t") for line in data_lines(folder / "x.bed")]
    if not rows or any(
        len(row) != 10 or not all(map(whole, (row[1], row[2], row[9].removeprefix("-")))) for row in rows
    ):
        return None
    if not all(re.fullmatch(r"[0-9.e]+", row[6]) for row in rows):
        return None
    return [
        [normalise_chromosome(row[0]), int(row[1]), int(row[2]), float(row[6]),
         int(row[1]) + (int(row[9]) if int(row[9]) >= 0 else (int(row[2]) - int(row[1])) // 2)]
        for row in rows
    ]  # fmt: skip


EPD = "chr1 960583 960643 KLHL17_1 900 + 960632 960643\nchr1 959245 959305 NOC2L_1 900 - 959245 959256\n"
SGA = "NC_000001.10\tTSS\t   861123\t+\t1\tSAMD11_1\t2\nNC_000023.10\tTSS\t   894631\t-\t1\tNOC2L_1\t2\n"
TSS = "chr1\t861122\t861123\tSAMD11_1\t.\t+\nX\t894630\t894631\tNOC2L_1\t.\t-\n"
TATA = "#Name\tTATA-box\tInr\tCCAAT-box\tGC-box\nA_1\t1\t0\t0\t1\nB_1\t0\t1\t1\t1\n"


def read_promoters(folder: Path, out: Path) -> list[list]:
    from genebert.tasks.epd import read_promoters

    return frame(read_promoters(folder / "p.bed"), ("name", "chrom", "tss", "strand"))


def read_tata(folder: Path, out: Path) -> dict:
    from genebert.tasks.epd import read_tata_flags

    return read_tata_flags(folder / "motifs.txt").to_dict()


KMERS = "sequence  label\nACG CGT GTA TAC\t1\nTTT TTT TTA TAC\t0\nACG CGT GTA TAA\t1\n"


def read_kmers(folder: Path, out: Path) -> list[list]:
    from genebert.tasks.kmer_table import read_kmer_tsv

    return frame(read_kmer_tsv(folder / "x.tsv")[0], ("sequence", "label"))


def kmer_rows(folder: Path) -> list[list] | None:
    """Return the examples: the first letter of every k-mer, and the rest of the last one."""
    rows = [line.split() for line in all_lines(folder / "x.tsv")[1:]]
    return None if not rows else [
        ["".join(kmer[0] for kmer in kmers[:-1]).upper() + kmers[-1].upper(), int(label)]
        for *kmers, label in rows if kmers and label in ("0", "1")
    ]  # fmt: skip


FASTA = ">chr1 first\nACGTNACGTA\nacgtnRYKMA\nAC\n>chr2\nTTTTTGGGGG\nTTTTT\n>chr3\nACGT\n"


def read_genome(folder: Path, out: Path) -> dict:
    from genebert.genome.fasta import Genome, prepare_genome

    prepare_genome(folder / "x.fa", out / "genome.fa", "toy", ["chr1", "chr2"])
    genome = Genome(out / "genome.fa")
    ends = [genome.lengths[name] for name in genome.lengths]
    genome.count_n(pd.DataFrame({"chrom": list(genome.lengths), "start": 0, "end": ends}))
    return {name: "".join("ACGTN"[code] for code in genome.codes(name)) for name in genome.lengths}


def fasta_bases(folder: Path) -> dict | None:
    """Return the bases of chr1 and chr2 of a FASTA file whose names are as simple."""
    found: dict[str, str] = {}
    name = ""
    for line in all_lines(folder / "x.fa"):
        if line.startswith(">"):
            name = (line[1:].split() or [""])[0]
            if name in found or not re.fullmatch(r"chr[0-9]+", name):
                return None
            found[name] = ""
        elif name:
            found[name] += re.sub(r"[^ACGT]", "N", line.strip().upper())
    return {name: found[name] for name in ("chr1", "chr2")} if {"chr1", "chr2"} <= found.keys() else None


# Files placed by hand.


def placed(folder: Path, out: Path, name: str) -> dict:
    from genebert.sources.placed import check_placed

    found = check_placed(source(name), folder / name)
    return {key: value for key, value in found.items() if key not in ("sha256", "bytes")}


GENES = (
    ("RET", 0, "chr10", "+", 43572517, 43625797, "43572779,43595907,", "43595906,43597790,"),
    ("TP53", 0, "chr17", "-", 7571720, 7590868, "7572926,7573927,", "7573008,7574033,"),
    ("LONE", 1, "chrX", "-", 1000, 2000, "", ""),
)
TABLE = "".join("\t".join(map(str, row)) + "\n" for row in GENES)
SPLICE, GTEX, PHENOTYPES = "spliceai/canonical_dataset.txt", "spliceai/gtex_dataset.txt", "hscr/phenotypes.tsv"
VCF, TBI, REGIONS, DREAM = (
    "hscr/cohort.vcf.gz", "hscr/cohort.vcf.gz.tbi", "hscr/regions.bed", "dream/CTCF.train.labels.tsv.gz",
)  # fmt: skip
PEOPLE = (
    "sample_id\tstatus\tsex\tsegment\tcohort\tage\nC1\t1\tM\tS\tHK\t1\nC2\t1\tF\tTCA\tVN\t\nK2\t0\tNA\t\tHK\t3\n"
    "K1\t0\tM\tNA\tHK\t4\n"
)
LABELS = "chr\tstart\tstop\tK562\tliver\n" + "".join(
    f"{chrom}\t{start}\t{start + 200}\tU\t{label}\n"
    for chrom, start, label in (("chr10", 600, "B"), ("chr10", 650, "A"), ("chr10", 700, "U"), ("chrX", 0, "U"))
)


# Tables of the project.


def read_motifs(folder: Path, out: Path) -> list:
    from genebert.motifs.jaspar import read_jaspar

    found = read_jaspar(folder / "m.jaspar", folder / "m.tsv")
    return [(one.matrix_id, one.name, one.counts.tolist(), one.tf_class, one.tf_family) for one in found]


JASPAR = ">MA0004.1\tArnt\n" + "".join(f"{base}  [ 4 19 1 2 ]\n" for base in "ACGT")
MOTIFS = [{"m.jaspar": (JASPAR + JASPAR.replace("MA0004", "MA0006")).encode(),
           "m.tsv": b"matrix_id\tname\ttf_class\ttf_family\nMA0004.1\tArnt\ta\tb\nMA0006.1\tArnt\ta\tb\n"}]  # fmt: skip


def head(path: str, lines: int) -> bytes:
    return b"".join((ROOT / "config" / path).read_bytes().splitlines(keepends=True)[:lines])


def read_sources(folder: Path, out: Path) -> str:
    from genebert.sources.registry import load_registry

    return repr(load_registry(folder))


def read_paper(folder: Path, out: Path) -> str:
    from genebert.report.tables.paper import read_paper

    return read_paper(folder / "t.tsv").to_csv()


def read_score(folder: Path, out: Path) -> dict:
    from genebert.evaluation.scores import read_score

    return read_score(folder / "s.json")


SCORE = {"task": "tfbs", "dataset": "x", "model": "cnn", "seed": 1, "deterministic": False, "metrics": {"n": 3}}
METRICS = "".join(json.dumps({"step": step, "mgm": 1.5, "valid_mgm": 2}) + "\n" for step in range(3))


def read_metrics(folder: Path, out: Path) -> list[dict]:
    from genebert.report.curves import read_metrics

    return read_metrics(folder / "metrics.jsonl")


TEXT_READERS = (
    Reader("bed", texts("x.bed", BED3, BED6), ("x.bed",), read_bed, expected=bed_rows),
    Reader("names", texts("peaks.txt", NAMES, BED3), ("peaks.txt",), read_peaks, expected=peak_rows),
    Reader("narrowpeak", texts("x.bed", NARROW), ("x.bed",), read_chip, expected=chip_rows),
    Reader("promoters", texts("p.bed", EPD, SGA, TSS), ("p.bed",), read_promoters),
    Reader("tata", texts("motifs.txt", TATA), ("motifs.txt",), read_tata),
    Reader("kmers", texts("x.tsv", KMERS), ("x.tsv",), read_kmers, expected=kmer_rows),
    Reader("fasta", texts("x.fa", FASTA), ("x.fa",), read_genome, expected=fasta_bases),
    Reader("splice", texts(SPLICE, TABLE), (SPLICE,), partial(placed, name=SPLICE)),
    Reader("gtex", texts(GTEX, TABLE), (GTEX,), partial(placed, name=GTEX)),
    Reader("phenotypes", texts(PHENOTYPES, PEOPLE), (PHENOTYPES,), partial(placed, name=PHENOTYPES)),
    Reader("cohort bed", texts(REGIONS, "chr10\t43500000\t43700000\n"), (REGIONS,), partial(placed, name=REGIONS)),
    Reader("dream", texts(DREAM, LABELS), (DREAM,), partial(placed, name=DREAM)),
    Reader("jaspar", lambda: MOTIFS, ("m.jaspar", "m.tsv"), read_motifs),
    Reader("sources", lambda: [{"sources.tsv": head("sources.tsv", 5), "tfbs.tsv": head("tfbs.tsv", 5)}],
           ("sources.tsv", "tfbs.tsv"), read_sources),
    Reader("paper", lambda: [{"t.tsv": head("paper/table1.tsv", 5)}], ("t.tsv",), read_paper),
    Reader("score", lambda: [{"s.json": json.dumps(SCORE).encode()}], ("s.json",), read_score,
           (m.odd_json, *ANY_TEXT)),
    Reader("metrics", texts("metrics.jsonl", METRICS), ("metrics.jsonl",), read_metrics),
)  # fmt: skip
