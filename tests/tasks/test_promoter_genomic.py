"""Core promoters against genomic windows of equal GC and CpG content, split by place or chromosome."""

import numpy as np
import pandas as pd
import pytest

from genebert.errors import InputError
from genebert.genome.bases import decode, encode, reverse_complement
from genebert.genome.fasta import prepare_genome
from genebert.tasks.base import Sources
from genebert.tasks.promoter import TASK, PromoterSettings
from genebert.tasks.promoter_negatives import MARGIN, both_labels
from genebert.tasks.splits import place_split
from genebert.tasks.windows import gc_cpg_counts, match_pairs

CHROMOSOMES = ["chr1", "chr2", "chr3"]
LENGTH, GAP = 300_000, 20_000
SETTINGS = {
    "source": "epdnew", "negatives": "genomic", "split": "place", "test_fraction": 0.2, "valid_fraction": 0.2,
    "gap_bp": GAP, "test_chromosomes": [], "valid_chromosomes": [],
}  # fmt: skip
SPLITS = ("train", "valid", "test")


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Three random chromosomes whose GC content rises, and promoters on both strands."""
    folder = tmp_path_factory.mktemp("toy")
    rng = np.random.default_rng(3)
    gc = 0.3 + 0.4 * np.arange(LENGTH) / LENGTH
    genome, lines = {}, []
    for chrom in CHROMOSOMES:
        is_gc = rng.random(LENGTH) < gc
        genome[chrom] = decode(np.where(is_gc, rng.integers(1, 3, LENGTH), rng.integers(0, 2, LENGTH) * 3))
        tss = np.sort(rng.choice(np.arange(2000, LENGTH - 2000, 3000), 60, replace=False))
        strand = rng.choice(["+", "-"], 60)
        lines += [f"{chrom}\t{t}\t{t + 1}\tP{chrom}{t}\t.\t{s}" for t, s in zip(tss, strand, strict=True)]
    (folder / "raw.fa").write_text("".join(f">{name}\n{bases}\n" for name, bases in genome.items()))
    prepare_genome(folder / "raw.fa", folder / "genome.fa", "toy", CHROMOSOMES)
    (folder / "p.bed").write_text("\n".join(lines) + "\n")
    return folder, genome


def build(toy, folder, **changes):
    files = {"path": toy[0] / "p.bed"}
    card = TASK.build(SETTINGS | changes, Sources(files, toy[0] / "genome.fa", CHROMOSOMES, 1), folder)
    frames = [pd.read_parquet(folder / f"{split}.parquet").assign(split=split) for split in SPLITS]
    return card, pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def by_place(toy, tmp_path_factory):
    return build(toy, tmp_path_factory.mktemp("place"))


def test_negatives_are_genomic_and_match_their_promoters(toy, by_place):
    card, examples = by_place
    _, genome = toy
    for row in examples.itertuples():
        bases = genome[row.chrom][row.start : row.end]
        read = bases if row.strand == "+" else decode(reverse_complement(encode(bases)))
        assert row.sequence == read
    true, false = (examples[examples["label"] == label].set_index("parent").sort_index() for label in (1, 0))
    assert true.index.is_unique and true.index.equals(false.index)
    for column in ("chrom", "strand", "split"):
        assert (true[column] == false[column]).all()
    counts = [gc_cpg_counts(np.stack([encode(one) for one in part["sequence"]])) for part in (true, false)]
    off = np.abs(counts[0] - counts[1])
    assert (off.sum(1) == 0).mean() > 0.8 and off.max(0).tolist() == list(
        card["negatives"]["largest_difference"].values()
    )
    assert card["negatives"]["equal_gc_and_cpg"] == (off.sum(1) == 0).sum()
    assert set(false["source"]) == {"genomic"} and "mosaic" not in str(card["sources"])


def test_negatives_keep_away_from_every_promoter(toy, by_place):
    _, examples = by_place
    listed = pd.read_csv(toy[0] / "p.bed", sep="\t", header=None)
    for row in examples[examples["label"] == 0].itertuples():
        tss = listed.loc[listed[0] == row.chrom, 1].to_numpy()
        assert ((row.end + MARGIN + 49 < tss) | (row.start - MARGIN - 49 > tss)).all()
    assert not examples.duplicated(["chrom", "start", "strand"]).any()


def test_splits_lie_apart(by_place):
    card, examples = by_place
    for chrom in CHROMOSOMES:
        ends = {
            split: (part["start"].min(), part["end"].max())
            for split, part in examples[examples["chrom"] == chrom].groupby("split")
        }
        assert ends["train"][1] + GAP <= ends["valid"][0] and ends["valid"][1] + GAP <= ends["test"][0]
    true = examples[examples["label"] == 1]
    assert (true["split"] == "test").sum() == 36  # a fifth of each chromosome
    assert card["promoters"]["in_gaps"] == 180 - len(true) > 0
    assert card["test_overlapping_train"] == 0


def test_split_by_chromosome(toy, tmp_path):
    lists = {"split": "chromosome", "test_chromosomes": ["chr3"], "valid_chromosomes": ["chr2"]}
    card, examples = build(toy, tmp_path, **lists)
    assert examples.groupby("split")["chrom"].unique().map(list).to_dict() == {
        "test": ["chr3"], "train": ["chr1"], "valid": ["chr2"],
    }  # fmt: skip
    assert card["promoters"]["in_gaps"] == 0 and len(examples) == 360


def test_same_seed_same_set_other_seed_other_negatives(toy, by_place, tmp_path):
    _, again = build(toy, tmp_path / "again")
    assert again.equals(by_place[1])


def test_a_sequence_with_both_labels_is_left_out(toy, tmp_path, monkeypatch):
    sequences = pd.Series(["AC", "GT", "AC", "GG", "GT"])
    assert both_labels(sequences, pd.Series([1, 1, 0, 0, 1])).tolist() == [True, False, True, False, False]

    def same(genome, positives, codes, *rest):
        found = reverse_complement(codes.T).T.copy()
        found[:3] = codes[:3]
        return positives[["chrom", "start", "end", "strand"]], found, {"rule": "a test"}

    monkeypatch.setattr("genebert.tasks.promoter.genomic_negatives", same)
    card, examples = build(toy, tmp_path)
    assert card["left_out_with_both_labels"] == 6
    assert examples.groupby("sequence")["label"].nunique().max() == 1
    assert card["duplicates"]["sequences_with_both_labels"] == 0


def test_match_pairs_takes_the_nearest_left_and_none_twice():
    rng = np.random.default_rng(0)
    wanted = np.array([[3, 1], [3, 1], [9, 0]])
    available = np.array([[3, 1], [5, 1], [4, 1], [20, 3], [3, 4]])
    chosen = match_pairs(wanted, available, rng)
    assert sorted(chosen[:2].tolist()) == [0, 2] and chosen[2] == 1
    many = rng.integers(0, 6, (300, 2))
    taken = match_pairs(many[:100], many, rng)
    assert len(set(taken.tolist())) == 100 and (many[taken] == many[:100]).all()


def test_place_split_by_hand():
    start = np.array([900, 100, 300, 545, 700, 950])
    places = pd.DataFrame({"chrom": "chr1", "start": start, "end": start + 10})
    split, parts = place_split(places, 1 / 3, 0.25, 150)
    assert split.tolist() == ["test", "train", "train", "", "valid", "test"]
    assert parts.to_numpy().tolist() == [
        ["chr1", 0, 550, "train"], ["chr1", 700, 750, "valid"], ["chr1", 900, 960, "test"],
    ]  # fmt: skip


def test_there_is_no_gap_before_a_split_without_examples():
    start = np.arange(100, 2100, 400)
    places = pd.DataFrame({"chrom": "chr1", "start": start, "end": start + 10})
    assert place_split(places, 0.05, 0.05, 300)[0].tolist() == ["train"] * 5
    split, parts = place_split(places, 0.0, 0.4, 300)
    assert split.tolist() == ["train"] * 3 + ["valid"] * 2
    assert parts["end"].tolist() == [1000, 1710, 1710]
    split, parts = place_split(places, 0.2, 0.2, 5000)  # a gap wider than all there is
    assert split.tolist() == [""] * 4 + ["test"] and (parts["start"] <= parts["end"]).all()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"split": "random"}, "negatives: found genomic beside split random; expected split chromosome or place"),
        ({"source": "kmer-tsv", "split": "random"}, "negatives: found genomic beside source kmer-tsv"),
        ({"source": "kmer-tsv", "negatives": "dnabert"}, "split: found place beside source kmer-tsv"),
        ({"negatives": "dnabert"}, "split: found place beside negatives dnabert"),
        ({"split": "chromosome"}, "no test_chromosomes or no valid_chromosomes"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(changes, sentence):
    with pytest.raises(InputError) as caught:
        PromoterSettings(seed=1, **SETTINGS | changes)
    assert sentence in str(caught.value)


def test_gaps_that_take_a_whole_split_are_named(toy, tmp_path):
    with pytest.raises(InputError, match=r"gaps of 99,999,999 bases .* and leave none for train, valid; expected some"):
        build(toy, tmp_path, gap_bp=99_999_999)
    assert not list(tmp_path.glob("*.parquet"))


def test_a_chromosome_with_too_few_windows_is_one_sentence(toy, tmp_path, monkeypatch):
    monkeypatch.setattr("genebert.tasks.promoter_negatives.MARGIN", LENGTH)
    with pytest.raises(InputError, match="has 0 windows of 70 bases without N outside"):
        build(toy, tmp_path)
    assert not list(tmp_path.glob("*.parquet"))
