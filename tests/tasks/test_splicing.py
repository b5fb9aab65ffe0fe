"""The splicing task: labels and blocks of genes made by hand and of chr20, splits, and tables that do not fit."""

import gzip
import json
import re
import time

import numpy as np
import pandas as pd
import pytest
from config_inputs import problems, run_of
from hypothesis import given
from hypothesis import strategies as st
from splice_inputs import GENES, chromosomes, make_set, table_text, write_genome

from genebert.errors import InputError
from genebert.evaluation.examples import SPLITS, read_examples
from genebert.evaluation.kinds.registry import kind_of
from genebert.genome.bases import decode
from genebert.genome.fasta import Genome, prepare_genome
from genebert.genome.intervals import overlapping
from genebert.sources.splice_table import read_splice_table
from genebert.tasks.base import Sources
from genebert.tasks.splicing import TASK, SplicingSettings, gene_blocks, split_genes


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    return write_genome(tmp_path_factory.mktemp("genome"), chromosomes())


@pytest.fixture
def made(genome, tmp_path):
    card = make_set(tmp_path, table_text(), genome, split="gene", test_fraction=0.4, valid_fraction=0.3)
    tables = {name: pd.read_parquet(tmp_path / f"{name}.parquet") for name in SPLITS}
    return card, tables, tmp_path


def whole(table: pd.DataFrame, gene: str) -> list[int]:
    return np.concatenate(table.loc[table["gene"] == gene, "label"].to_numpy()).tolist()


# ------------------------------------------------------------------------------------------------------ labels


def expected_labels(gene: str) -> list[int]:
    """Labels from the introns, base by base: a donor before an intron's first base, an acceptor behind its last."""
    *_, strand, start, end, introns = next(one for one in GENES if one[0] == gene)
    label = {}
    for first, last in introns:
        before, behind = (2, 1) if strand == "+" else (1, 2)
        label |= {first - 1: before, last + 1: behind}
    bases = range(start, end + 1) if strand == "+" else range(end, start - 1, -1)
    return [label.get(base, 0) for base in bases]


def test_labels_of_both_strands(made):
    _, tables, _ = made
    every = pd.concat(tables.values())
    with_sites = {gene[0] for gene in GENES} - {"LONE"}
    assert set(every["gene"]) in (with_sites, with_sites - {"OVER"})  # set aside where what it overlaps is tested
    for gene in set(every["gene"]):
        labels = whole(every, gene)
        expected = expected_labels(gene)
        assert labels == expected + [-1] * (-len(expected) % 16), gene
    assert expected_labels("PLUS")[:12] == [0] * 9 + [2, 0, 0] and expected_labels("MINUS")[17] == 2


def test_bases_around_sites_and_outside(made, genome):
    """In the direction of transcription GT stands behind a donor and AG before an acceptor; outside there is N."""
    card, _, folder = made
    sites = {"GT": 0, "AG": 0}
    for name in SPLITS:
        examples = read_examples(folder / f"{name}.parquet", Genome(genome), name)
        kind_of(card, name).check(examples.labels, name)
        flank = 7
        codes, lengths = examples.codes(flank=flank)
        assert examples.labels.dtype == np.int8 and (lengths == 16 + 2 * flank).all()
        for row, labels, bases in zip(examples.table.itertuples(), examples.labels, codes, strict=True):
            for base in np.flatnonzero(labels > 0):
                at = base + flank
                if labels[base] == 2:
                    assert decode(bases[at + 1 : at + 3]) == "GT"
                    sites["GT"] += 1
                else:
                    assert decode(bases[at - 2 : at]) == "AG"
                    sites["AG"] += 1
            places = np.arange(row.start - flank, row.end + flank)
            places = places[::-1] if row.strand == "-" else places
            outside = (places < row.inside_start) | (places >= row.inside_end)
            assert (bases[outside] == 4).all() and (bases[~outside] < 4).all()
            assert ((labels == -1) == outside[flank:-flank]).all()
    assert sites == {"GT": sum(one["donors"] for one in card["counts"].values()),
                     "AG": sum(one["acceptors"] for one in card["counts"].values())}  # fmt: skip


def test_a_block_may_reach_beyond_the_chromosome(made):
    _, tables, _ = made
    edge = pd.concat(tables.values()).query("gene == 'EDGE'")
    assert edge[["start", "end"]].to_numpy().tolist() == [[8, 24], [-8, 8]]
    assert edge[["inside_start", "inside_end"]].drop_duplicates().to_numpy().tolist() == [[0, 24]]


@given(start=st.integers(1, 400), length=st.integers(2, 90), strand=st.sampled_from("+-"), block=st.integers(1, 40))
def test_blocks_cover_a_gene_once(start, length, strand, block):
    gene = {"gene": "A", "chrom": "chr1", "strand": strand, "tx_start": start, "tx_end": start + length - 1}
    blocks = gene_blocks(pd.DataFrame([gene]), block)
    places = [np.arange(one.start, one.end)[:: -1 if strand == "-" else 1] for one in blocks.itertuples()]
    inside = np.arange(start - 1, start - 1 + length)[:: -1 if strand == "-" else 1]
    assert np.concatenate(places)[:length].tolist() == inside.tolist() and len(blocks) == -(-length // block)


def test_gtex_form(genome, tmp_path):
    """Lists of unequal length; positions outside are ignored; what is both is an acceptor, as in SpliceAI."""
    text = (
        "A\t0\tchr1\t+\t11\t60\t20,40,35,5,\t31,53,\n"
        "B\t0\tchr1\t-\t101\t160\t110,\t121,143,110,\n"
        "C\t0\tchr2\t+\t31\t80\t40,\t61,\n"
    )
    settings = {"split": "gene", "test_fraction": 0.3, "valid_fraction": 0.4}
    with pytest.raises(InputError, match="line 1: jn_start is '20,40,35,5,', expected all between tx_start and tx_end"):
        make_set(tmp_path, text, genome, **settings)
    card = make_set(tmp_path, text, genome, paired=False, **settings)
    every = pd.concat([pd.read_parquet(tmp_path / f"{name}.parquet") for name in SPLITS])
    found = {gene: {i: label for i, label in enumerate(whole(every, gene)) if label > 0} for gene in "ABC"}
    assert found["A"] == {9: 2, 29: 2, 24: 2, 20: 1, 42: 1}
    assert found["B"] == {50: 1, 39: 2, 17: 2}
    assert card["left_out"]["sites_outside_transcripts"] == 1
    assert card["left_out"]["donors_that_are_acceptors_too"] == 1


# ------------------------------------------------------------------------------------------------------ splits


def frame(rows) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["chrom", "tx_start", "tx_end", "paralog"])
    table["tx_end"] += table["tx_start"]
    return table


PLACES = st.lists(
    st.tuples(st.sampled_from(["chr1", "chr2", "chr3"]), st.integers(1, 300), st.integers(1, 60), st.integers(0, 1)),
    min_size=4, max_size=40,
)  # fmt: skip


@given(rows=PLACES, seed=st.integers(0, 9), by=st.sampled_from(["gene", "published"]))
def test_overlapping_genes_stay_together(rows, seed, by):
    genes = frame([*rows, ("chr2", 900, 10, 0)])
    settings = SplicingSettings(seed=seed, split=by, test_fraction=0.3, valid_fraction=0.3)
    split = split_genes(genes, settings)
    places = genes.rename(columns={"tx_start": "start", "tx_end": "end"})
    for one in SPLITS:
        for other in {*SPLITS} - {one}:
            # The last base belongs to a gene.
            ends = places.assign(start=places["start"] - 1)
            assert not overlapping(ends[split == one], ends[split == other]).any()
    assert not genes.loc[split == "test", "paralog"].any()
    if by == "published":
        tested = genes["chrom"].isin(["chr1", "chr3"])
        assert (split[tested & (genes["paralog"] == 0)] == "test").all() and not (split[~tested] == "test").any()
        assert (split[tested & (genes["paralog"] == 1)] == "").all() and set(split[~tested]) <= {"train", "valid"}
    else:
        assert (split == "test").sum() >= min(1, round(0.3 * (genes["paralog"] == 0).sum()))
        left = genes[split == ""]
        assert (
            left["paralog"].all()
            and overlapping(places[split == ""].assign(start=left["tx_start"] - 1), places[split != "train"]).all()
        )


def test_shares_of_a_split_by_gene():
    genes = frame([("chr1", 100 * i + 1, 50, i % 2) for i in range(200)])
    split = split_genes(genes, SplicingSettings(seed=1, split="gene", test_fraction=0.2, valid_fraction=0.1))
    assert dict(zip(*np.unique(split, return_counts=True), strict=True)) == {"test": 20, "train": 162, "valid": 18}
    other = split_genes(genes, SplicingSettings(seed=2, split="gene", test_fraction=0.2, valid_fraction=0.1))
    assert (split != other).any()


def test_the_card(made):
    card, tables, folder = made
    assert card["kind"] == "base-classes" and card == json.loads((folder / "card.json").read_text())
    for name, table in tables.items():
        labels, found = np.stack(table["label"]), card["counts"][name]
        assert found == {
            "genes": table["gene"].nunique(),
            "genes_with_paralogs": found["genes_with_paralogs"],
            "blocks": len(table),
            "positions": (labels >= 0).sum(),
            "acceptors": (labels == 1).sum(),
            "donors": (labels == 2).sum(),
        }
    assert card["counts"]["test"]["genes_with_paralogs"] == 0
    assert card["motifs"] == {"gt": 1.0, "ag": 1.0, "donors": 8, "acceptors": 8}
    assert card["left_out"]["genes_without_junctions"] == 1 and card["genes_overlapping_others"] == 2
    assert card["gene_length"] == {"min": 24, "median": 50, "max": 60}
    assert card["test_overlapping_train"] == 0
    tested = tables["test"]["chrom"].unique().tolist()
    numbers = {name: table["gene"].nunique() for name, table in tables.items()}
    assert card["genes"] == {"in_table": 7, **numbers, "test_chromosomes": sorted(tested)}


def test_the_published_split(genome, tmp_path):
    card = make_set(tmp_path, table_text(), genome, valid_fraction=0.3)
    genes = {name: set(pd.read_parquet(tmp_path / f"{name}.parquet")["gene"]) for name in SPLITS}
    assert genes["test"] == {"PLUS", "MINUS"} and genes["train"] | genes["valid"] == {"TWIN", "EDGE", "LATER"}
    assert card["left_out"]["genes_with_paralogs_set_aside"] == 1
    assert card["genes"] == {"in_table": 7, **{name: len(genes[name]) for name in SPLITS}, "test_chromosomes": ["chr1"]}


def test_the_same_seed_gives_the_same_bytes(genome, tmp_path):
    (tmp_path / "b").mkdir()
    settings = {"split": "gene", "test_fraction": 0.4, "valid_fraction": 0.3}
    for folder in (tmp_path, tmp_path / "b"):
        make_set(folder, table_text(), genome, **settings)
    for name in ("train.parquet", "valid.parquet", "test.parquet", "card.json"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


# ------------------------------------------------------------------------------------------------------ bad input


def shifted(text: str, starts: int, ends: int) -> str:
    """Move all positions of the two lists."""
    lines = []
    for line in text.splitlines():
        *about, first, last = line.split("\t")
        first, last = (
            re.sub(r"\d+", lambda m, by=by: str(int(m[0]) + by), one) for one, by in ((first, starts), (last, ends))
        )
        lines.append("\t".join([*about, first, last]) + "\n")
    return "".join(lines)


def turned(text: str) -> str:
    return text.translate(str.maketrans("+-", "-+"))


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda text: shifted(text, -1, -1), "with jn_start moved by +1 and jn_end moved by +1 100.0% or more would"),
        (lambda text: shifted(text, 1, -1), "with jn_start moved by -1 and jn_end moved by +1 100.0% or more would"),
        (lambda text: shifted(text, 0, 2), "with jn_end moved by -2 100.0% or more would fit"),
        (turned, "on the opposite strand 100.0% or more would fit"),
        (lambda text: turned(shifted(text, 1, 1)), "on the opposite strand and with jn_start moved by -1 and jn_end"),
        (lambda text: text.replace("-", "+"), "100.0% or more fit one of the two strands: is the column strand right?"),
        (lambda text: shifted(text, 5, 5), "no shift of up to 3 bases and no change of strand makes them fit: another"),
    ],
)
def test_labels_that_are_not_beside_gt_and_ag(tmp_path, change, cause):
    genes = [
        (f"G{i}", 0, "chr1", "+-"[i % 2], 100 * i + 1, 100 * i + 90, [(100 * i + 21, 100 * i + 60)]) for i in range(30)
    ]
    genome = write_genome(tmp_path, chromosomes(genes, 3200))
    with pytest.raises(InputError) as caught:
        make_set(tmp_path, change(table_text(genes)), genome, split="gene")
    message = str(caught.value)
    assert re.search(
        r"table\.txt: [\d.]+% of 30 donors have GT behind them in genome\.fa and [\d.]+% of 30 acc", message
    )
    assert cause in message and "\n" not in message
    assert not (tmp_path / "card.json").exists() and not list(tmp_path.glob("*.parquet"))


def test_a_few_odd_sites_stop_nothing(tmp_path, caplog):
    genes = [(f"G{i}", 0, "chr1", "+", 100 * i + 1, 100 * i + 90, [(100 * i + 21, 100 * i + 60)]) for i in range(4)]
    genome = write_genome(tmp_path, chromosomes(genes, 500))
    make_set(tmp_path, shifted(table_text(genes), 4, 4), genome, split="gene", test_fraction=0.3, valid_fraction=0.3)
    assert "they are too few to tell what is wrong" in caplog.text


@pytest.mark.parametrize(
    ("settings", "text", "sentence"),
    [
        ({"split": "gene", "test_fraction": 0.9, "valid_fraction": 0.9}, table_text(), "train would hold 0 genes"),
        (
            {},
            table_text(GENES[:4]),
            "with split published, train would hold 0 genes, 0 acceptors and 0 donors of 3 gen",
        ),
        ({"split": "gene"}, table_text(GENES[3:4]), "none of its 1 genes on chr1, chr2 has a junction"),
        (
            {"split": "gene"},
            table_text().replace("chr", "chr1"),
            "none of its 7 genes lies on chr1, chr2; it has chr11",
        ),
        (
            {"split": "gene"},
            table_text([("FAR", 0, "chr1", "+", 250, 400, [])]),
            "ends beyond chr1, which is 300 bases",
        ),
        ({"split": "gene"}, table_text().replace("20,40,", "20,40", 1), "line 1: jn_start is '20,40', expected positi"),
        ({"split": "gene"}, table_text(GENES + GENES[:1]), "line 8: gene is 'PLUS', expected every gene once"),
        ({"split": "gene"}, table_text().replace("chr2", "2"), "found the chromosomes 'chr1' and '2', expected all or"),
    ],
)
def test_bad_tables(genome, tmp_path, settings, text, sentence):
    with pytest.raises(InputError) as caught:
        make_set(tmp_path, text, genome, **settings)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*.parquet")) and not (tmp_path / "card.json").exists()


def test_the_plan_refuses_a_published_split_without_its_chromosomes():
    for chromosomes_, bad in ((["chr20"], True), (["chr1", "chr3"], True), (["chr1", "chr2"], False)):
        overlay = {"tasks": {"splicing": {"x": {"table": "t"}}}, "chromosomes": chromosomes_}
        found = [line for line in problems(overlay) if "tasks.splicing.x.split" in line]
        assert bool(found) == bad
        if bad:
            assert "found published, whose test set is chr1, chr3, chr5, chr7, chr9" in found[0]


def test_the_task_in_a_run():
    run = run_of({"tasks": {"splicing": {"x": {"table": "t", "split": "gene"}}}})
    asked = type("", (), {"task": "splicing", "dataset": "x", "method": "genebert"})
    assert run.fit_job(asked)["files"]["genome"] == run.genome[0]
    assert run.task_inputs(asked)["table"] == "t"
    assert run.task_settings(asked)["block_bp"] == 5000


# ------------------------------------------------------------------------------------------------------ chr20


@pytest.mark.shared
def test_chr20(shared_data, tmp_path):
    path = shared_data / "splicing/canonical_dataset.txt.gz"
    prepare_genome(shared_data / "genome/chr20.fa.gz", tmp_path / "genome.fa", "hg19", ["chr20"])
    sources = Sources({"table": path}, tmp_path / "genome.fa", ["chr20"], 42)
    start = time.perf_counter()
    card = TASK.build({"table": "x", "split": "gene", "test_fraction": 0.3}, sources, tmp_path)
    assert time.perf_counter() - start < 30
    assert card["motifs"] == {"gt": 0.9905, "ag": 0.9971, "donors": 4533, "acceptors": 4533}
    counts = card["counts"].values()
    assert sum(one["genes"] for one in counts) + card["left_out"]["genes_with_paralogs_set_aside"] == 520
    assert card["build"]["build"] == "hg19" and card["genes_overlapping_others"] == 101
    # The labels of all genes, put together from the three files, are those of the table.
    table = read_splice_table(path, paired=True).genes.set_index("gene")
    for name in SPLITS:
        for gene, rows in pd.read_parquet(tmp_path / f"{name}.parquet").groupby("gene"):
            labels = np.concatenate(rows["label"].to_numpy())
            length = table.loc[gene, "tx_end"] - table.loc[gene, "tx_start"] + 1
            assert (labels >= 0).sum() == length and (labels[length:] == -1).all()
            order = labels[labels > 0]
            assert (order[::2] == 2).all() and (order[1::2] == 1).all(), gene  # donor and acceptor take turns


@pytest.mark.shared
def test_a_real_table_one_base_off(shared_data, tmp_path):
    prepare_genome(shared_data / "genome/chr20.fa.gz", tmp_path / "genome.fa", "hg19", ["chr20"])
    with gzip.open(shared_data / "splicing/canonical_dataset.txt.gz", "rt") as handle:
        lines = [line for line in handle if "\tchr20\t" in line]
    (tmp_path / "table.txt").write_text(shifted("".join(lines), 1, 1))
    sources = Sources({"table": tmp_path / "table.txt"}, tmp_path / "genome.fa", ["chr20"], 42)
    with pytest.raises(InputError, match=r"with jn_start moved by -1 and jn_end moved by -1 99\.\d% or more would fit"):
        TASK.build({"table": "x", "split": "gene"}, sources, tmp_path)
