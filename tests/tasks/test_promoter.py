"""The core-promoter task: EPD's coordinates, DNABERT's geometry, both kinds of negatives, splits."""

import json

import numpy as np
import pandas as pd
import pytest

from genebert.errors import InputError
from genebert.genome.bases import decode, encode, reverse_complement
from genebert.genome.fasta import Genome, prepare_genome
from genebert.motifs.jaspar import load_jaspar
from genebert.settings.data import SimulationSettings
from genebert.simulate.atlas import simulate
from genebert.tasks.base import Sources
from genebert.tasks.core_promoters import has_tata_box, initiator_shares, mosaics, parent_windows, tata_negatives
from genebert.tasks.epd import TATA_CUTOFF, TATA_WEIGHTS, read_promoters, tata_scores
from genebert.tasks.promoter import TASK, PromoterSettings


def write(path, text):
    path.write_text(text)
    return path


# ---- windows


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A random chromosome and promoters on both strands."""
    folder = tmp_path_factory.mktemp("toy")
    rng = np.random.default_rng(3)
    sequence = decode(rng.integers(0, 4, 400_000))
    sequence = sequence[:200_000] + "N" * 5000 + sequence[205_000:300_000].lower() + sequence[300_000:]
    write(folder / "raw.fa", f">1\n{sequence}\n")
    prepare_genome(folder / "raw.fa", folder / "genome.fa", "toy", ["chr1"])
    tss = np.sort(rng.choice(np.arange(1000, 399_000, 700), 300, replace=False))
    strand = rng.choice(["+", "-"], 300)
    lines = [f"chr1\t{t}\t{t + 1}\tP{i}\t.\t{s}" for i, (t, s) in enumerate(zip(tss, strand, strict=True))]
    write(folder / "p.bed", "\n".join([*lines, "chr2\t5\t6\tOTHER\t.\t+", "chr1\t100\t101\tEDGE\t.\t+"]) + "\n")
    return folder, sequence.upper()


def slice_parent(sequence, tss, strand):
    """TSS-249..TSS+50 by string slicing."""
    if strand == "+":
        return sequence[tss - 249 : tss + 51]
    return sequence[tss - 50 : tss + 250].translate(str.maketrans("ACGTN", "TGCAN"))[::-1]


def test_parents_equal_string_slices(toy):
    folder, sequence = toy
    promoters = read_promoters(folder / "p.bed")
    promoters = promoters[promoters["chrom"] == "chr1"].reset_index(drop=True)
    parents = parent_windows(promoters, Genome(folder / "genome.fa"))
    for row, parent in zip(promoters.itertuples(), parents, strict=True):
        if row.name == "EDGE":
            assert (parent == 4).all()
        else:
            assert decode(parent) == slice_parent(sequence, row.tss, row.strand)


def test_mosaics_keep_8_of_20_blocks_and_break_where_dnaberts_do():
    rng = np.random.default_rng(0)
    parents = rng.integers(0, 4, (4000, 300), dtype=np.uint8)
    made = mosaics(parents, rng)
    assert made.dtype == np.uint8
    same = made == parents
    kept = same.reshape(-1, 20, 15).all(axis=2)
    assert (kept.sum(axis=1) == 8).all()
    assert np.abs(kept.mean(axis=0) - 0.4).max() < 0.04  # every block as often
    assert same[np.repeat(~kept, 15, axis=1)].mean() == pytest.approx(0.25, abs=0.01)
    frequency = np.bincount(made[np.repeat(~kept, 15, axis=1)]) / (~kept).sum() / 15
    assert np.abs(frequency - 0.25).max() < 0.01
    # Whether neighbours are both kept changes only at block borders: 8|9, 23|24, 38|39, 53|54, 68|69 of the crop.
    state = np.repeat(kept, 15, axis=1)[:, 216:286]
    breaks = np.flatnonzero((state[:, 1:] != state[:, :-1]).any(axis=0))
    assert breaks.tolist() == [8, 23, 38, 53, 68]


# ---- TATA box


@pytest.mark.parametrize(("start", "found"), [(-35, False), (-34, True), (-29, True), (-28, False)])
def test_tata_box_counts_only_at_its_place(start, found):
    parent = np.full((1, 300), 1, dtype=np.uint8)
    parent[0, 249 + start : 249 + start + 15] = encode("GTACAAAAGGCGGGG")
    assert np.flatnonzero(tata_scores(parent)[0] >= TATA_CUTOFF).tolist() == [249 + start]
    assert has_tata_box(parent).tolist() == [found]


def test_tata_negatives_lie_outside_promoters_with_the_box_in_place(toy, monkeypatch):
    folder, sequence = toy
    promoters = read_promoters(folder / "p.bed")
    promoters = promoters[promoters["chrom"] == "chr1"]
    table = tata_negatives(Genome(folder / "genome.fa"), promoters, 120, np.random.default_rng(0))
    assert len(table) == len(table[["start", "strand"]].drop_duplicates()) == 120
    assert set(table["strand"]) == {"+", "-"}
    windows = [
        (t - 249, t + 51) if s == "+" else (t - 50, t + 250)
        for t, s in zip(promoters["tss"], promoters["strand"], strict=True)
    ]
    for row in table.itertuples():
        assert row.end - row.start == 70
        text = sequence[row.start : row.end]
        codes = encode(text) if row.strand == "+" else reverse_complement(encode(text))
        assert np.array_equal(codes, row.codes)
        assert codes.max() < 4
        assert sum(TATA_WEIGHTS[base, j] for j, base in enumerate(codes[1:16])) >= TATA_CUTOFF
        assert not any(start < row.end and row.start < end for start, end in windows)
    monkeypatch.setattr("genebert.tasks.core_promoters.MAX_ROUNDS", 2)
    with pytest.raises(InputError, match="places with a TATA box outside promoters on chr1, expected 100000"):
        tata_negatives(Genome(folder / "genome.fa"), promoters, 100_000, np.random.default_rng(0))


def test_tata_negatives_come_from_chromosomes_by_their_known_bases(tmp_path):
    """As many from each of two, one of which is N for the most part; there are none where nothing fits."""
    repeat = "GTATAAAAGGCGGGGCACACGTCAG" * 200
    write(tmp_path / "raw.fa", f">chr1\n{repeat}\n>chr2\n{'N' * 60_000}{repeat}\n>chr3\n{repeat[:70]}\n")
    prepare_genome(tmp_path / "raw.fa", tmp_path / "genome.fa", "toy", ["chr1", "chr2", "chr3"])
    promoters = pd.DataFrame(
        {"name": ["P", "Q"], "chrom": ["chr1", "chr2"], "tss": [300, 60_300], "strand": ["+", "+"]}
    )
    table = tata_negatives(Genome(tmp_path / "genome.fa"), promoters, 100, np.random.default_rng(0))
    assert len(table) == 100 and 30 < (table["chrom"] == "chr2").sum() < 70
    with pytest.raises(InputError, match="found 0 places with a TATA box outside promoters on chr3, expected 1 as neg"):
        tata_negatives(Genome(tmp_path / "genome.fa"), promoters[:1].assign(chrom="chr3"), 1, np.random.default_rng(0))


def test_tata_negatives_are_all_that_there_are(tmp_path):
    """Against a plain loop; one of them begins where the promoter's window ends. Sorted by place."""
    rng = np.random.default_rng(5)
    units = ["GTATAAAAGGCGGGG", "CCCCGCCTTTTATAC"]  # and its reverse complement
    sequence = "".join(units[i % 3 == 0] + decode(rng.integers(0, 4, 10)) for i in range(120))
    write(tmp_path / "raw.fa", f">chr1\n{sequence}\n")
    prepare_genome(tmp_path / "raw.fa", tmp_path / "genome.fa", "toy", ["chr1"])
    tss = 25 * 61 - 52
    assert sequence[tss + 52 : tss + 67] == units[0]
    expected = []
    for start in range(len(sequence) - 70):  # the last place is not drawn
        for strand in "+-":
            codes = encode(sequence[start : start + 70])
            codes = codes if strand == "+" else reverse_complement(codes)
            box = sum(TATA_WEIGHTS[base, j] for j, base in enumerate(codes[1:16])) >= TATA_CUTOFF
            if box and not tss - 249 - 70 < start < tss + 51:
                expected.append((start, start + 70, strand))
    assert (tss + 51, tss + 121, "+") in expected and len({strand for *_, strand in expected}) == 2
    promoter = pd.DataFrame({"name": ["P"], "chrom": ["chr1"], "tss": [tss], "strand": ["+"]})
    table = tata_negatives(Genome(tmp_path / "genome.fa"), promoter, len(expected), rng)
    assert list(table[["start", "end", "strand"]].itertuples(index=False, name=None)) == expected


@pytest.mark.parametrize("strand", ["+", "-"])
def test_tata_negatives_keep_off_a_lone_promoter(tmp_path, strand):
    rng = np.random.default_rng(8)
    sequence = "".join("GTATAAAAGGCGGGG" + decode(rng.integers(0, 4, 10)) for _ in range(160))
    write(tmp_path / "raw.fa", f">chr1\n{sequence}\n")
    prepare_genome(tmp_path / "raw.fa", tmp_path / "genome.fa", "toy", ["chr1"])
    promoter = pd.DataFrame({"name": ["P"], "chrom": ["chr1"], "tss": [2000], "strand": [strand]})
    table = tata_negatives(Genome(tmp_path / "genome.fa"), promoter, 120, rng)
    start, end = (1751, 2051) if strand == "+" else (1950, 2250)
    assert ((table["end"] <= start) | (table["start"] >= end)).all()
    assert table["end"].gt(start - 100).any()  # and close to it they are found


def test_tata_negatives_hold_no_n(tmp_path):
    """Not beside the box either: one spacer in ten has an N."""
    units = [f"GTATAAAAGGCGGGG{'CACAN' if i % 10 == 0 else 'CACAC'}GTCAG" for i in range(300)]
    write(tmp_path / "raw.fa", f">chr1\n{''.join(units)}\n")
    prepare_genome(tmp_path / "raw.fa", tmp_path / "genome.fa", "toy", ["chr1"])
    promoter = pd.DataFrame({"name": ["P"], "chrom": ["chr1"], "tss": [2000], "strand": ["+"]})
    table = tata_negatives(Genome(tmp_path / "genome.fa"), promoter, 150, np.random.default_rng(0))
    assert np.stack(table["codes"]).max() < 4


# ---- the whole set


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    folder = tmp_path_factory.mktemp("atlas")
    settings = SimulationSettings(
        chromosomes={"chr1": 400_000, "chr2": 300_000}, mostly_n=[], n_regions=900, n_promoters=400, n_genes=0
    )
    simulate(settings, load_jaspar(release="JASPAR2018"), folder)
    prepare_genome(folder / "genome.fa.gz", folder / "genome.fa", "simulated", ["chr1", "chr2"])
    return folder


def read(folder):
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in ("train", "valid", "test")}


def build(atlas, out, *, chromosomes=("chr1", "chr2"), genome="genome.fa", seed=42, files=None, **settings):
    files = {"path": atlas / "epdnew.bed", "motifs": atlas / "promoter_motifs.txt"} if files is None else files
    return TASK.build(settings, Sources(files, atlas / genome, list(chromosomes), seed), out)


def test_set_from_epdnew(atlas, tmp_path):
    card = build(atlas, tmp_path)
    assert card == json.loads((tmp_path / "card.json").read_text())
    tables = read(tmp_path)
    everything = pd.concat(tables.values())
    n_tata = card["promoters"]["with_tata_box"]
    assert n_tata == pd.read_csv(atlas / "promoter_motifs.txt", sep="\t")["TATA-box"].sum() > 20
    sources = everything["source"].value_counts()
    assert sources["tata-promoter"] == sources["genomic-tata"] == n_tata
    removed = sum(card["removed_because_also_elsewhere"].values())
    assert len(everything) == 800 - removed
    assert everything["sequence"].str.fullmatch("[ACGT]{70}").all()
    assert (everything["label"] == everything["source"].str.endswith("promoter")).all()
    for kind, total in (("tata-promoter", n_tata), ("mosaic", 400 - n_tata)):
        assert abs(card["sources"]["test"][kind] - 0.1 * total) <= 0.5
    sets = [set(table["sequence"]) for table in tables.values()]
    assert not (sets[0] & sets[1] or sets[0] & sets[2] or sets[1] & sets[2])
    # Positives and genomic negatives are where they say, mosaics have no place.
    genome = Genome(atlas / "genome.fa")
    placed = everything[everything["source"] != "mosaic"]
    for row in placed.itertuples():
        codes = genome.codes(row.chrom, int(row.start), int(row.end))
        assert row.sequence == decode(codes if row.strand == "+" else reverse_complement(codes))
    assert everything.loc[everything["source"] == "mosaic", ["chrom", "start", "strand"]].isna().all(axis=None)
    # The TSS is base 33 of the crop.
    promoters = read_promoters(atlas / "epdnew.bed")
    positives = everything[everything["label"] == 1]
    tss = np.where(positives["strand"] == "+", positives["start"] + 33, positives["end"] - 34)
    assert set(zip(positives["chrom"], tss, strict=True)) <= set(zip(promoters["chrom"], promoters["tss"], strict=True))
    assert card["promoters"]["initiator"]["pyrimidine_purine"] > 0.6
    assert card["leakage"]["test_mosaics_with_parent_in_train"] > 0


def test_parents(atlas, tmp_path):
    """A promoter and its mosaic name the promoter's window; other negatives have no parent."""
    build(atlas, tmp_path)
    everything = pd.concat(read(tmp_path).values())
    positives = everything[everything["label"] == 1]
    own = positives["chrom"] + ":" + positives["start"].astype(str) + "-" + positives["end"].astype(str)
    assert (positives["parent"] == own).all()
    assert everything.loc[everything["source"] == "genomic-tata", "parent"].isna().all()
    mosaic = everything[everything["source"] == "mosaic"].set_index("parent")["sequence"]
    plain = positives[positives["source"] == "non-tata-promoter"].set_index("parent")["sequence"]
    pairs = pd.concat([mosaic, plain], axis=1, keys=["mosaic", "promoter"]).dropna()
    assert len(pairs) >= 0.95 * len(mosaic)
    same = np.array([np.mean(encode(a) == encode(b)) for a, b in pairs.to_numpy()])
    assert same.mean() == pytest.approx(0.4 + 0.6 / 4, abs=0.02)  # 8 of 20 blocks are kept
    strangers = [
        np.mean(encode(a) == encode(b)) for a, b in zip(pairs["mosaic"][1:], pairs["promoter"][:-1], strict=True)
    ]
    assert np.mean(strangers) < 0.35


def test_split_by_chromosome(atlas, tmp_path):
    by = {"split": "chromosome", "test_chromosomes": ("chr2",), "valid_chromosomes": ("chr3",)}
    prepared = tmp_path / "genome.fa"
    text = (atlas / "genome.fa").read_text()
    write(prepared, text + text.replace(">chr1", ">chr3").split(">chr2")[0])
    write(prepared.with_suffix(".json"), (atlas / "genome.json").read_text())
    lines = (atlas / "epdnew.bed").read_text().splitlines()
    moved = [line.replace("chr1 ", "chr3 ").replace("_1 ", "_3 ") for line in lines if line.startswith("chr1 ")][:60]
    path = write(tmp_path / "p.bed", "\n".join(lines + moved) + "\n")
    # The third chromosome is a copy of the first, whose promoters go from training to where their copies are.
    arguments = {"files": {"path": path}, "genome": prepared, "chromosomes": ["chr1", "chr2", "chr3"]}
    card = build(atlas, tmp_path / "out", **by, **arguments)
    tables = read(tmp_path / "out")
    for name, chrom in (("train", "chr1"), ("test", "chr2"), ("valid", "chr3")):
        table = tables[name]
        assert set(table["chrom"].dropna()) == {chrom}
        assert set(table["parent"].dropna().str.split(":").str[0]) == {chrom}
        assert set(table["source"]) == {"tata-promoter", "non-tata-promoter", "mosaic", "genomic-tata"}
    assert card["leakage"]["test_mosaics_with_parent_in_train"] == 0
    assert card["leakage"]["note"] == "a promoter and its mosaic are on one chromosome and so in one split"
    assert card["test_overlapping_train"] == 0
    assert card["removed_because_also_elsewhere"]["train_in_valid"] > 40
    assert card["settings"]["test_chromosomes"] == ["chr2"]


def test_same_seed_same_files(atlas, tmp_path):
    for name, seed in (("a", 42), ("b", 42), ("c", 43)):
        build(atlas, tmp_path / name, seed=seed)
    for name in ("train.parquet", "valid.parquet", "test.parquet", "card.json"):
        first = (tmp_path / "a" / name).read_bytes()
        assert first == (tmp_path / "b" / name).read_bytes()
        assert first != (tmp_path / "c" / name).read_bytes()


def test_tata_box_looked_up_agrees_with_the_table(atlas, tmp_path):
    given_flags = build(atlas, tmp_path / "a")["promoters"]["with_tata_box"]
    looked_up = build(atlas, tmp_path / "b", files={"path": atlas / "epdnew.bed"})["promoters"]
    assert abs(looked_up["with_tata_box"] - given_flags) <= 0.15 * given_flags
    assert looked_up["tata_rule"].startswith("Bucher's matrix")


def test_promoters_elsewhere_and_over_the_edge_are_counted(toy, tmp_path):
    folder, sequence = toy
    card = build(folder, tmp_path, files={"path": folder / "p.bed"}, chromosomes=["chr1"])
    promoters = read_promoters(folder / "p.bed")
    parents = [
        slice_parent(sequence, t, s) for t, s in zip(promoters["tss"][:300], promoters["strand"][:300], strict=True)
    ]
    with_n = sum("N" in parent for parent in parents)
    assert with_n > 0
    assert card["promoters"]["listed"] == 302
    assert card["promoters"]["outside_chromosomes"] == 1
    assert card["promoters"]["with_n_or_beyond_end"] == with_n + 1


def test_odd_initiator_is_reported(toy, tmp_path, caplog):
    folder, _ = toy
    build(folder, tmp_path, files={"path": folder / "p.bed"}, chromosomes=["chr1"])
    assert "have a pyrimidine and a purine at -1/+1" in caplog.text


def test_bad_input_of_the_whole_set(atlas, tmp_path):
    few = {"path": atlas / "epdnew.bed", "motifs": write(tmp_path / "m", "#Name\tTATA-box\nSIM00002_1\t1\n")}
    cases = [
        ({"chromosomes": ["chr7"]}, "none of its 400 promoters lies on chr7; it has chr1, chr2"),
        ({"files": few}, "399 of 400 promoters are missing"),
        (
            {"split": "chromosome", "test_chromosomes": ("chr1",), "valid_chromosomes": ("chr2",)},
            "tasks.promoter.test_chromosomes: .* expected at least one left for training",
        ),
        ({"test_fraction": 0.001}, "test would hold 0 positives"),
    ]  # fmt: skip
    for change, words in cases:
        with pytest.raises(InputError, match=words) as error:
            build(atlas, tmp_path / "out", **change)
        assert "\n" not in str(error.value)
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"source": "tsv"}, "tasks.promoter.source: found 'tsv', expected one of epdnew, kmer-tsv"),
        ({"split": "rank"}, "tasks.promoter.split: found 'rank', expected one of random, chromosome"),
        ({"split": "chromosome"}, "tasks.promoter.split: found chromosome, but no test_chromosomes or no valid_chrom"),
        ({"source": "kmer-tsv", "split": "chromosome"}, "split: found chromosome beside source kmer-tsv, whose exampl"),
        ({"test_fraction": 1.2}, "tasks.promoter.test_fraction: found 1.2, expected a number above 0 and below 1"),
    ],
)
def test_settings_that_are_refused(settings, words):
    with pytest.raises(InputError, match=words):
        PromoterSettings(**settings)


def test_chromosome_missing_in_the_genome(atlas, tmp_path):
    path = write(tmp_path / "p.bed", "chr9\t5000\t5001\tA_1\t.\t+\n")
    with pytest.raises(InputError, match="has no chromosome chr9"):
        build(atlas, tmp_path / "out", files={"path": path}, chromosomes=["chr9"])


def test_only_unknown_sequence(toy, tmp_path):
    folder, _ = toy
    path = write(tmp_path / "p.bed", "chr1\t202000\t202001\tA_1\t.\t+\n")
    with pytest.raises(InputError, match="all 1 promoters have N in or run out of"):
        build(folder, tmp_path / "out", files={"path": path}, chromosomes=["chr1"])


# ---- real data


@pytest.fixture(scope="module")
def chr20(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("chr20")
    prepare_genome(shared_data / "genome" / "chr20.fa.gz", folder / "genome.fa", "hg19", ["chr20"])
    return folder / "genome.fa"


@pytest.mark.shared
def test_real_chr20_promoters(shared_data, chr20, tmp_path):
    sga, bed = (read_promoters(shared_data / "promoters" / name) for name in ("references.sga", "epdnew_hg19_tss.bed"))
    order = ["chrom", "tss", "strand", "name"]
    pd.testing.assert_frame_equal(*(table.sort_values(order, ignore_index=True) for table in (sga, bed)))
    assert len(sga) == 23360
    promoters = sga[sga["chrom"] == "chr20"].reset_index(drop=True)
    assert len(promoters) == 611
    parents = parent_windows(promoters, Genome(chr20))
    shares = initiator_shares(parents)
    assert shares["ca"] == round(227 / 611, 4)  # 37.2 %
    assert shares["pyrimidine_purine"] == round(430 / 611, 4)  # 70.4 %
    for step in (-1, 1):  # one base off shows
        assert initiator_shares(np.roll(parents, step, axis=1))["pyrimidine_purine"] < 0.10
    # EPD's own share over all promoters is 3,065 / 29,598 = 10.4 %.
    assert has_tata_box(parents).sum() == 54

    files = {"path": shared_data / "promoters" / "references.sga"}
    card = build(chr20.parent, tmp_path, files=files, chromosomes=["chr20"])
    assert card["promoters"]["outside_chromosomes"] == 23360 - 611
    assert card["promoters"]["used"] == 611
    assert sum(count for counts in card["counts"].values() for count in counts.values()) == 2 * 611 - sum(
        card["removed_because_also_elsewhere"].values()
    )
    assert card["gc_content"]["1"] > card["gc_content"]["0"] + 0.05
