"""Simulated genes: SpliceAI's table as planted, signals and decoys in the genome, all else as it was."""

import gzip
import itertools

import numpy as np
import pandas as pd
import pytest
from Bio import SeqIO

from genebert.evaluation.examples import SPLITS, read_examples
from genebert.evaluation.kinds.base_classes import BaseClasses
from genebert.genome.bases import N_CODE, encode, reverse_complement
from genebert.genome.fasta import Genome, prepare_genome
from genebert.methods.registry import find_method
from genebert.motifs.jaspar import load_jaspar
from genebert.settings.data import SimulationSettings
from genebert.simulate.atlas import simulate
from genebert.simulate.genes import ACCEPTOR, BRANCH, DONOR, ENHANCERS
from genebert.sources.splice_table import read_splice_table
from genebert.tasks.base import Sources
from genebert.tasks.splicing import TASK

CHROMS = ["chr1", "chr2", "chr3", "chr4"]
MATRICES = {"donor": DONOR, "acceptor": ACCEPTOR, "branch": BRANCH, "decoy donor": DONOR, "decoy acceptor": ACCEPTOR}
OTHER_FILES = {"genome.fa.gz", "canonical_dataset.txt", "truth_splice.tsv", "truth.json"}
COLUMNS = ["gene", "paralog", "chrom", "strand", "tx_start", "tx_end", "jn_start", "jn_end"]


def in_direction(codes: np.ndarray, strand: str) -> np.ndarray:
    return codes if strand == "+" else reverse_complement(codes)


def numbers(text: str) -> list[int]:
    return [int(one) for one in text.split(",")[:-1]]


def frame(text) -> pd.DataFrame:
    return pd.read_csv(text, sep="\t", header=None, names=COLUMNS)


def exons_of(row) -> list[tuple[int, int]]:
    """Return the exons of a row of the table, 0-based half-open along the chromosome."""
    starts = [row.tx_start, *numbers(row.jn_end)]
    ends = [*numbers(row.jn_start), row.tx_end]
    return [(start - 1, end) for start, end in zip(starts, ends, strict=True)]


class Simulated:
    """An atlas with the default settings, and the same without genes."""

    def __init__(self, folder):
        self.folder, self.bare = folder / "with", folder / "without"
        motifs = load_jaspar(release="JASPAR2018")
        self.truth = simulate(SimulationSettings(), motifs, self.folder)["splicing"]
        simulate(SimulationSettings(n_genes=0), motifs, self.bare)
        self.genome, self.before = (self._genome(path) for path in (self.folder, self.bare))
        self.table = frame(self.folder / "canonical_dataset.txt")
        self.sites = pd.read_csv(self.folder / "truth_splice.tsv", sep="\t")
        prepare_genome(self.folder / "genome.fa.gz", folder / "genome.fa", "toy", CHROMS)
        self.sources = Sources({"table": self.folder / "canonical_dataset.txt"}, folder / "genome.fa", CHROMS, 42)

    @staticmethod
    def _genome(folder):
        with gzip.open(folder / "genome.fa.gz", "rt") as handle:
            return {record.id: encode(str(record.seq)) for record in SeqIO.parse(handle, "fasta")}

    def transcript(self, row):
        return in_direction(self.genome[row.chrom][row.tx_start - 1 : row.tx_end], row.strand)

    def of_kind(self, kind):
        """Return the codes of all planted pieces of a kind (uint8 [n, width])."""
        return np.stack([encode(text) for text in self.sites.loc[self.sites["kind"] == kind, "sequence"]])


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    return Simulated(tmp_path_factory.mktemp("genes"))


@pytest.fixture(scope="module")
def sets(simulated, tmp_path_factory):
    """The demo's splicing set: card, splits."""
    folder = tmp_path_factory.mktemp("set")
    card = TASK.build({"table": "x", "split": "gene", "test_fraction": 0.2, "block_bp": 500}, simulated.sources, folder)
    genome = Genome(simulated.sources.genome)
    return card, {split: read_examples(folder / f"{split}.parquet", genome, split) for split in SPLITS}


# ----------------------------------------------------------------------------------------------- the table


def test_the_table_has_spliceais_form(simulated):
    lines = (simulated.folder / "canonical_dataset.txt").read_text().splitlines()
    assert len(lines) == SimulationSettings().n_genes == simulated.truth["genes"]
    for line in lines:
        fields = line.split("\t")
        assert len(fields) == 8 and fields[6].endswith(",") and fields[7].endswith(",")
    table = simulated.table
    assert table["gene"].is_unique and set(table["strand"]) == {"+", "-"} and set(table["paralog"]) == {0, 1}
    assert list(zip(table["chrom"], table["tx_start"], strict=True)) == sorted(
        zip(table["chrom"], table["tx_start"], strict=True)
    )
    read = read_splice_table(simulated.folder / "canonical_dataset.txt", paired=True)
    for side, column in ((read.jn_start, "jn_start"), (read.jn_end, "jn_end")):
        assert side.inside.all()
        assert side.position.tolist() == [one for text in table[column] for one in numbers(text)]


def test_genes_lie_on_known_bases_and_are_as_long_as_the_settings_say(simulated):
    chosen, exons, introns = SimulationSettings(), [], []
    for row in simulated.table.itertuples():
        assert 1 <= row.tx_start < row.tx_end <= chosen.chromosomes[row.chrom]
        assert (simulated.transcript(row) != N_CODE).all()
        places = exons_of(row)
        exons += [end - start for start, end in places]
        introns += [right[0] - left[1] for left, right in itertools.pairwise(places)]
    assert min(exons) >= 30 and min(introns) >= 70
    assert np.mean(exons) == pytest.approx(chosen.exon_bp, rel=0.05)
    assert np.mean(introns) == pytest.approx(chosen.intron_bp, rel=0.05)
    assert len(exons) / len(simulated.table) == pytest.approx(chosen.exons_per_gene, rel=0.1)
    assert len(introns) == simulated.truth["introns"]
    lengths = simulated.table["tx_end"] - simulated.table["tx_start"] + 1
    assert lengths.min() > 150 and lengths.max() < 3200


def test_the_table_names_the_planted_sites(simulated):
    """Bases of the sites by the truth's own windows: three bases of an exon beside the intron."""
    for row in simulated.table.itertuples():
        of = simulated.sites[simulated.sites["gene"] == row.gene]
        found = {}
        for kind, into in (("donor", 2), ("acceptor", 20)):  # the site's own base, from the window's first one
            here = of[of["kind"] == kind]
            found[kind] = (here["start"] + into + 1 if row.strand == "+" else here["end"] - into).tolist()
            assert set(here["strand"]) == {row.strand}
        first, second = ("donor", "acceptor") if row.strand == "+" else ("acceptor", "donor")
        assert found[first] == numbers(row.jn_start) and found[second] == numbers(row.jn_end)


def test_what_was_planted_is_in_the_genome(simulated):
    for row in simulated.sites.itertuples():
        codes = in_direction(simulated.genome[row.chrom][row.start : row.end], row.strand)
        assert np.array_equal(codes, encode(row.sequence)), row
    assert set(simulated.sites["kind"]) == set(MATRICES)
    for _, here in simulated.sites.groupby("chrom"):
        assert (here["start"].to_numpy()[1:] >= here["end"].to_numpy()[:-1]).all()  # none over another


# ------------------------------------------------------------------------------------------ signals, decoys


def test_nearly_all_introns_begin_with_gt_and_end_with_ag(simulated):
    ends = []
    for row in simulated.table.itertuples():
        places = exons_of(row)
        for (_, left), (right, _) in itertools.pairwise(places):
            intron = in_direction(simulated.genome[row.chrom][left:right], row.strand)
            ends.append((np.array_equal(intron[:2], encode("GT")), np.array_equal(intron[-2:], encode("AG"))))
    shares = np.mean(ends, axis=0)
    assert len(ends) > 900 and (shares > 0.985).all() and (shares < 1).any()


@pytest.mark.parametrize("kind", list(MATRICES))
def test_pieces_follow_their_matrix(simulated, kind):
    """Sites of genes of a kind and decoys alike: no matrix tells them apart."""
    codes = simulated.of_kind(kind)
    counts = (codes[:, None] == np.arange(4)[:, None]).sum(axis=0)
    expected = MATRICES[kind] / MATRICES[kind].sum(axis=0)
    deviation = (counts / len(codes) - expected) / np.sqrt(np.maximum(expected * (1 - expected), 0.002) / len(codes))
    # Paralogs are mutated, and their sites come twice.
    assert np.abs(deviation).mean() < 1.5 and np.abs(counts / len(codes) - expected).max() < 0.08


def test_branch_points_lie_before_acceptors(simulated):
    of = simulated.sites[simulated.sites["kind"].isin(["branch", "acceptor"])]
    distances = []
    for (_, strand), here in of.groupby(["gene", "strand"]):
        here = here if strand == "+" else here[::-1]
        kinds = here["kind"].tolist()
        assert kinds[::2] == ["branch"] * (len(kinds) // 2) and kinds[1::2] == ["acceptor"] * (len(kinds) // 2)
        point = (here["start"] + 5 if strand == "+" else here["end"] - 6).to_numpy()[::2]
        exon = (here["start"] + 20 if strand == "+" else here["end"] - 21).to_numpy()[1::2]
        distances += np.abs(exon - point).tolist()
    assert min(distances) == 22 and max(distances) == 40


def test_exons_hold_enhancers_more_often(simulated):
    words = {tuple(encode(word)) for word in ENHANCERS}
    inside, outside = [], []
    for row in simulated.table.itertuples():
        codes = simulated.genome[row.chrom]
        exonic = np.zeros(len(codes), bool)
        for start, end in exons_of(row):
            exonic[start:end] = True
        for place in range(row.tx_start - 1, row.tx_end - 6):
            is_word = tuple(in_direction(codes[place : place + 6], row.strand)) in words
            (inside if exonic[place : place + 6].all() else outside).append(is_word)
    assert np.mean(inside) > 5 * np.mean(outside) and np.mean(inside) > 0.02


def test_decoys_are_in_exons_introns_and_between_genes(simulated):
    decoys = simulated.sites[simulated.sites["kind"].str.startswith("decoy")]
    assert len(decoys) == simulated.truth["decoy_donors"] + simulated.truth["decoy_acceptors"]
    within = decoys[decoys["gene"] != "."]
    assert len(within) == simulated.truth["decoys_within_genes"]
    assert len(within) == pytest.approx(2 * simulated.truth["introns"], rel=0.03)
    table = simulated.table.set_index("gene")
    in_exon = 0
    for row in within.itertuples():
        gene = table.loc[row.gene]
        assert row.strand == gene.strand and gene.tx_start - 1 <= row.start and row.end <= gene.tx_end
        in_exon += any(start <= row.start and row.end <= end for start, end in exons_of(gene))
    assert 0.3 < in_exon / len(within) < 0.7
    outside = decoys[decoys["gene"] == "."]
    assert len(outside) > 300
    for row in outside.itertuples():
        of = simulated.table[simulated.table["chrom"] == row.chrom]
        assert not ((of["tx_start"] <= row.end) & (of["tx_end"] > row.start)).any()


def test_context_beyond_the_matrices_tells_sites_from_decoys(simulated, sets):
    """A model of 81 bases is better than one of matrices, for which decoys are sites."""
    _, splits = sets
    found = {}
    kind = BaseClasses({})
    for name in ("splice-pwm", "splice-logreg"):
        scores = find_method(name)(kind, {}, {}, {}).fit(splits["train"], splits["valid"], 0).score(splits["test"])
        found[name] = top_k(splits["test"].labels, scores)
    assert 0.3 < found["splice-pwm"] < 0.6
    assert found["splice-logreg"] > found["splice-pwm"] + 0.04


def top_k(labels, scores):
    """Return the share of sites among as many highest scores as there are, the mean of acceptors and donors."""
    at = labels >= 0
    shares = []
    for one in (1, 2):
        is_site = labels[at] == one
        shares.append(is_site[np.argsort(-scores[at][:, one], kind="stable")[: is_site.sum()]].mean())
    return np.mean(shares)


# ------------------------------------------------------------------------------------- paralogs and overlaps


def test_paralogs_are_alike_but_for_mutations(simulated):
    """Both their sites, as planted, and their exons, in which motifs of regions and decoys are each gene's own."""
    table = simulated.table

    def exons(row):
        places = exons_of(row)[:: 1 if row.strand == "+" else -1]
        codes = (in_direction(simulated.genome[row.chrom][start:end], row.strand) for start, end in places)
        return np.concatenate(list(codes))

    def sites(row):
        of = simulated.sites[(simulated.sites["gene"] == row.gene) & ~simulated.sites["kind"].str.contains("decoy")]
        return encode("".join(of["sequence"] if row.strand == "+" else of["sequence"][::-1]))

    def best_likeness(of_all):
        """Return the share of equal bases with the gene that is most alike, of those of equal length."""
        pairs = [[(one == other).mean() if len(one) == len(other) and one is not other else 0 for other in of_all]
                 for one in of_all]  # fmt: skip
        return np.max(pairs, axis=1)

    has = (table["paralog"] == 1).to_numpy()
    assert has.sum() == simulated.truth["genes_with_paralogs"]
    assert has.sum() == pytest.approx(SimulationSettings().gene_paralogs * len(table), abs=1)
    of_sites, of_exons = (best_likeness([part(row) for row in table.itertuples()]) for part in (sites, exons))
    assert of_sites[has].min() > 0.8 and of_sites[has].mean() < 0.97 and of_sites[~has].max() < 0.75
    assert of_exons[has].min() > 0.45 and of_exons[~has].max() < 0.4


def test_some_genes_overlap_on_opposite_strands(simulated, sets):
    count = 0
    for chrom, here in simulated.table.groupby("chrom"):
        for one, other in zip(here.itertuples(), list(here.itertuples())[1:], strict=False):
            if other.tx_start <= one.tx_end:
                assert one.strand != other.strand, (chrom, one.gene)
                count += 2
            else:
                assert other.tx_start - one.tx_end > 50
    assert count == pytest.approx(SimulationSettings().gene_overlaps * len(simulated.table), rel=0.5)
    assert sets[0]["genes_overlapping_others"] == count


# ------------------------------------------------------------------------------------------------ the task


def test_labels_are_those_that_were_planted(simulated, sets):
    card, splits = sets
    assert card["motifs"]["gt"] > 0.985 and card["motifs"]["ag"] > 0.985
    assert card["counts"]["train"]["acceptors"] + card["counts"]["train"]["donors"] >= 1500
    planted = simulated.sites[simulated.sites["gene"] != "."]
    table = simulated.table.set_index("gene")
    for examples in splits.values():
        rows = examples.table
        for gene, blocks in rows.groupby("gene"):
            labels = np.concatenate(blocks["label"].to_numpy())
            about, of = table.loc[gene], planted[planted["gene"] == gene]
            length = about.tx_end - about.tx_start + 1
            expected = np.zeros(length, np.int8)
            for kind, label, into in (("acceptor", 1, 20), ("donor", 2, 2)):
                here = of[of["kind"] == kind]
                first = here["start"] - about.tx_start + 1 if about.strand == "+" else about.tx_end - here["end"]
                expected[first + into] = label
            assert np.array_equal(labels[:length], expected) and (labels[length:] == -1).all(), gene
    assert set(splits["train"].table["strand"]) == {"+", "-"}


def test_some_sites_lie_in_regions(simulated):
    """Where pre-training sees them."""
    regions = pd.read_csv(simulated.folder / "peaks.bed", sep="\t", header=None, names=["chrom", "start", "end"])
    sites = simulated.sites[simulated.sites["kind"].isin(["donor", "acceptor"])]
    inside = 0
    for row in sites.itertuples():
        of = regions[regions["chrom"] == row.chrom]
        inside += ((of["start"] <= row.start) & (row.end <= of["end"])).any()
    assert 0.1 < inside / len(sites) < 0.5


# ------------------------------------------------------------------------------------------ what stays as it was


def test_all_else_is_as_without_genes(simulated):
    files = {path.relative_to(simulated.bare).as_posix() for path in simulated.bare.rglob("*") if path.is_file()}
    for name in files - OTHER_FILES:
        assert (simulated.folder / name).read_bytes() == (simulated.bare / name).read_bytes(), name
    assert not (simulated.bare / "canonical_dataset.txt").read_bytes()
    changed = {name: simulated.genome[name] != simulated.before[name] for name in simulated.genome}
    assert 0.01 < sum(one.sum() for one in changed.values()) / sum(map(len, changed.values())) < 0.1
    # Nothing outside exons and the planted pieces.
    allowed = {name: np.zeros(len(one), bool) for name, one in changed.items()}
    for row in simulated.table.itertuples():
        for start, end in exons_of(row):
            allowed[row.chrom][start:end] = True
    for row in simulated.sites.itertuples():
        allowed[row.chrom][row.start : row.end] = True
    assert not any((changed[name] & ~allowed[name]).any() for name in changed)


def test_motifs_promoters_and_peaks_keep_their_bases(simulated):
    changed = {name: simulated.genome[name] != simulated.before[name] for name in simulated.genome}
    motifs = pd.read_csv(simulated.folder / "truth_sites.tsv", sep="\t")
    assert not any(changed[row.chrom][row.start : row.end].any() for row in motifs.itertuples())
    epd = pd.read_csv(simulated.folder / "epdnew.bed", sep=" ", header=None)
    for chrom, strand, left, right in zip(epd[0], epd[5], epd[6], epd[7], strict=True):
        tss = left if strand == "+" else right - 1
        first, last = (tss - 250, tss + 100) if strand == "+" else (tss - 100, tss + 250)
        assert not changed[chrom][first : last + 1].any()
    for path in (simulated.folder / "tfbs").iterdir():
        for line in gzip.decompress(path.read_bytes()).decode().splitlines():
            chrom, start, *_, offset = line.split("\t")
            summit = int(start) + int(offset)
            assert not changed[chrom][summit - 50 : summit + 51].any()
