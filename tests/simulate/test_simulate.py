"""The simulated atlas: formats read by independent readers, planted truth found again, correlations really there."""

import gzip
import json
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.io import mmread

from genebert.errors import InputError
from genebert.genome.bases import encode, reverse_complement
from genebert.motifs.jaspar import load_jaspar
from genebert.settings.data import SimulationSettings
from genebert.simulate.atlas import simulate
from genebert.simulate.ctcf import PEAK_FILES
from genebert.simulate.programs import HOUSEKEEPING, PROGRAMS

USUAL = SimulationSettings(
    chromosomes={"chr1": 1_000_000, "chr2": 1_000_000, "chr3": 1_000_000, "chr4": 300_000},
    n_regions=3000,
    n_promoters=1200,
)
SMALL = SimulationSettings(
    chromosomes={"chr1": 150_000, "chr2": 120_000, "chr4": 60_000},
    n_regions=360,
    n_promoters=100,
    cells_per_type=25,
    regions_per_domain=20,
    n_genes=12,
)
FILES = [
    "blacklist.bed", "canonical_dataset.txt", "cells.tsv", "epdnew.bed", "genome.fa.gz", "matrix.mtx.gz",
    "peaks.bed", "promoter_motifs.txt",
    *(f"tfbs/{name}" for name in sorted(PEAK_FILES.values())),
    "truth.json", "truth_regions.tsv", "truth_sites.tsv", "truth_splice.tsv",
]  # fmt: skip


@pytest.fixture(scope="module")
def motifs():
    return load_jaspar(release="JASPAR2018")


class Atlas:
    """The files of a full-size atlas as pandas, scipy and Biopython read them."""

    def __init__(self, folder, truth):
        from Bio import SeqIO

        self.folder, self.truth = folder, truth
        with gzip.open(folder / "genome.fa.gz", "rt") as handle:
            self.genome = {record.id: str(record.seq) for record in SeqIO.parse(handle, "fasta")}
        self.counts = mmread(folder / "matrix.mtx.gz").tocsr()
        self.peaks = pd.read_csv(folder / "peaks.bed", sep="\t", header=None, names=["chrom", "start", "end"])
        self.cells = pd.read_csv(folder / "cells.tsv", sep="\t")
        self.regions = pd.read_csv(folder / "truth_regions.tsv", sep="\t", keep_default_na=False)
        self.sites = pd.read_csv(folder / "truth_sites.tsv", sep="\t")
        self.epd = pd.read_csv(folder / "epdnew.bed", sep=" ", header=None)
        self.elements = pd.read_csv(folder / "promoter_motifs.txt", sep="\t")

    def codes(self, row):
        codes = encode(self.genome[row.chrom][row.start : row.end])
        return codes if row.strand == "+" else reverse_complement(codes)


@pytest.fixture(scope="module")
def atlas(tmp_path_factory, motifs):
    folder = tmp_path_factory.mktemp("atlas")
    return Atlas(folder, simulate(USUAL, motifs, folder))


def log_odds(motif):
    counts = motif.counts + 0.25
    return np.vstack([np.log2(counts / counts.sum(axis=0) / 0.25), np.full(motif.width, -50.0)])


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path, motifs):
    for name, settings in (("a", SMALL), ("b", SMALL), ("c", replace(SMALL, seed=7))):
        simulate(settings, motifs, tmp_path / name)
    found = [path.relative_to(tmp_path / "a").as_posix() for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert sorted(found) == FILES
    for name in FILES:
        first = (tmp_path / "a" / name).read_bytes()
        assert first == (tmp_path / "b" / name).read_bytes(), name
        assert name == "peaks.bed" or first != (tmp_path / "c" / name).read_bytes(), name


def test_one_setting_leaves_the_other_parts_alone(tmp_path, motifs):
    simulate(SMALL, motifs, tmp_path / "a")
    simulate(replace(SMALL, cells_per_type=40), motifs, tmp_path / "b")
    for name in ("genome.fa.gz", "peaks.bed", "epdnew.bed", "truth_sites.tsv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert (tmp_path / "a" / "cells.tsv").read_bytes() != (tmp_path / "b" / "cells.tsv").read_bytes()


def test_full_size_takes_seconds(tmp_path, motifs):
    start = time.process_time()
    simulate(USUAL, motifs, tmp_path)
    assert time.process_time() - start < 8


def test_genome_has_masked_and_unknown_stretches(atlas):
    import pyfaidx

    plain = atlas.folder / "copy.fa"
    plain.write_bytes(gzip.decompress((atlas.folder / "genome.fa.gz").read_bytes()))
    assert max(map(len, plain.read_text().splitlines())) == 60
    fasta = pyfaidx.Fasta(str(plain), as_raw=True)
    assert {name: len(fasta[name]) for name in fasta.keys()} == dict(USUAL.chromosomes)  # noqa: SIM118
    assert all(str(fasta[name]) == sequence for name, sequence in atlas.genome.items())
    unknown = {name: sequence.upper().count("N") / len(sequence) for name, sequence in atlas.genome.items()}
    assert unknown["chr4"] > 0.75
    assert all(share < 0.01 for name, share in unknown.items() if name != "chr4")
    known = "".join(atlas.genome.values())
    assert 0.15 < sum(map(str.islower, known)) / len(known) < 0.40
    assert set(known) == set("ACGTNacgt")
    assert max(map(len, "".join("x" if c.islower() else " " for c in atlas.genome["chr1"]).split())) > 100


def test_matrix_peaks_and_cells_fit_together(atlas):
    assert atlas.counts.shape == (len(atlas.peaks), len(atlas.cells))
    assert np.issubdtype(atlas.counts.dtype, np.integer)
    assert atlas.counts.data.min() >= 1
    assert list(atlas.cells.columns[:4]) == ["cell", "cell_type", "tissue", "donor_id"]
    assert atlas.cells["cell"].is_unique
    assert set(atlas.cells["cell_type"]) == set(list(PROGRAMS)[:5])
    assert "Astrocytes/Oligodendrocytes" in set(atlas.cells["cell_type"])
    assert len(atlas.peaks) == USUAL.n_regions == atlas.truth["regions"]
    lengths = atlas.peaks["end"] - atlas.peaks["start"]
    assert 270 < lengths.mean() < 330
    assert lengths.std() > 50
    for chrom, table in atlas.peaks.groupby("chrom"):
        assert (table["start"].to_numpy()[1:] > table["end"].to_numpy()[:-1]).all()
        assert table["start"].min() >= 0
        assert table["end"].max() <= len(atlas.genome[chrom])
    assert set(atlas.peaks["chrom"]) == set(atlas.genome)
    blacklist = pd.read_csv(atlas.folder / "blacklist.bed", sep="\t", header=None)
    assert blacklist.shape == (3, 3)
    n_share = [atlas.genome[r.chrom][r.start : r.end].count("N") / (r.end - r.start) for r in atlas.peaks.itertuples()]
    assert sum(share > 0.05 for share in n_share) == 3


def test_planted_motifs_are_in_the_genome_where_the_truth_says(atlas, motifs):
    by_id = {motif.matrix_id: motif for motif in motifs}
    assert len(atlas.sites) == atlas.truth["planted_motifs"] > 8000
    assert set(atlas.sites["strand"]) == {"+", "-"}
    at_site, elsewhere = [], []
    for row in atlas.sites.itertuples():
        codes = atlas.codes(row)
        assert np.array_equal(codes, encode(row.sequence)), row
        matrix, width = log_odds(by_id[row.matrix_id]), by_id[row.matrix_id].width
        assert len(codes) == width
        at_site.append(matrix[codes, np.arange(width)].sum())
        elsewhere.append(matrix[reverse_complement(codes), np.arange(width)].sum())
    # The mean score of instances drawn from a matrix is its information content; CTCF's are drawn weaker or stronger.
    information = {}
    for i in atlas.sites["matrix_id"].unique():
        share = by_id[i].counts / by_id[i].counts.sum(axis=0)
        information[i] = (share * log_odds(by_id[i])[:4]).sum()
    expected = atlas.sites["matrix_id"].map(information)
    as_drawn = (atlas.sites["planted_for"] != "ctcf").to_numpy()
    assert np.mean(np.array(at_site)[as_drawn]) == pytest.approx(np.mean(expected[as_drawn]), rel=0.02)
    assert np.mean(at_site) > np.mean(elsewhere) + 8


def test_sites_lie_in_the_regions_named(atlas):
    inside = atlas.sites[atlas.sites["region"] != "."]
    parts = inside["region"].str.extract(r"(.+)-(\d+)-(\d+)")
    assert (parts[0] == inside["chrom"]).all()
    assert (parts[1].astype(int) <= inside["start"]).all()
    assert (inside["end"] <= parts[2].astype(int)).all()
    starts = atlas.sites.sort_values(["chrom", "start"])
    same = starts["chrom"].to_numpy()[1:] == starts["chrom"].to_numpy()[:-1]
    assert (starts["start"].to_numpy()[1:] >= starts["end"].to_numpy()[:-1])[same].all()
    assert (atlas.sites.loc[atlas.sites["planted_for"] == "program", "region"] != ".").all()


def test_programs_are_enriched_in_the_counts_of_their_cell_type(atlas):
    types = list(PROGRAMS)[:5]
    pooled = np.column_stack(
        [atlas.counts[:, (atlas.cells["cell_type"] == name).to_numpy()].sum(axis=1) for name in types]
    )
    accessible = np.asarray(pooled) > 0
    program_sites = atlas.sites[atlas.sites["planted_for"] == "program"]
    for i, name in enumerate(types):
        with_factor = set(program_sites.loc[program_sites["name"].isin(PROGRAMS[name]), "region"])
        has = atlas.regions["name"].isin(with_factor).to_numpy()
        table = [
            [(has & accessible[:, i]).sum(), (has & ~accessible[:, i]).sum()],
            [(~has & accessible[:, i]).sum(), (~has & ~accessible[:, i]).sum()],
        ]
        odds, p = stats.fisher_exact(table, alternative="greater")
        assert p < 1e-40, name
        assert odds > 5, name
    house = (atlas.regions["program"] == "house-keeping").to_numpy()
    assert accessible[house].mean() > 0.85
    truth = np.column_stack([atlas.regions["open_in"].str.split(";").map(lambda names, t=t: t in names) for t in types])
    assert (truth & accessible).sum() / accessible.sum() > 0.85  # few false
    assert (truth & accessible).sum() / truth.sum() > 0.90  # few missed


def test_neighbours_share_programs(atlas):
    program = atlas.regions.loc[atlas.regions["program"] != "house-keeping", "program"].to_numpy()
    neighbours = (program[1:] == program[:-1]).mean()
    chance = (program == np.random.default_rng(0).permutation(program)).mean()
    assert neighbours > chance + 0.35


def test_domains_have_their_own_mix_of_factors_and_gc(atlas):
    """Halves of ten consecutive regions of one program resemble each other more than halves of different tens."""
    own = atlas.regions[(atlas.regions["program"] == "Excitatory neurons") & (atlas.regions["has_promoter"] == 0)]
    tens = [table.index[: len(table) // 10 * 10].to_numpy().reshape(-1, 2, 5) for _, table in own.groupby("domain")]
    tens = np.concatenate(tens)
    assert len(tens) > 20
    factors = pd.crosstab(atlas.sites["region"], atlas.sites["name"]).reindex(atlas.regions["name"], fill_value=0)
    profiles = factors[list(PROGRAMS["Excitatory neurons"])].to_numpy(float)[tens].sum(axis=2)
    unit = profiles / np.linalg.norm(profiles, axis=2, keepdims=True)
    similarity = unit[:, 0] @ unit[:, 1].T
    closer = (similarity > np.diag(similarity)[:, None]).mean(axis=1)
    assert closer.mean() < 0.25  # 0.5 by chance
    gc = []
    for row in atlas.peaks.itertuples():
        sequence = atlas.genome[row.chrom][row.start : row.end].upper()
        gc.append((sequence.count("G") + sequence.count("C")) / len(sequence))
    halves = np.array(gc)[tens].mean(axis=2)
    assert stats.pearsonr(halves[:, 0], halves[:, 1]).statistic > 0.6


def test_epd_files_follow_the_arithmetic_of_epd(atlas):
    epd, elements = atlas.epd, atlas.elements
    assert epd.shape == (USUAL.n_promoters, 8)
    assert set(epd[5]) == {"+", "-"}
    assert list(elements.columns) == ["#Name", "TATA-box", "Inr", "CCAAT-box", "GC-box"]
    assert (elements["#Name"] == epd[3]).all()
    assert set(np.unique(elements.iloc[:, 1:])) == {0, 1}
    plus = epd[epd[5] == "+"]
    assert ((plus[1] + 49 == plus[6]) & (plus[2] == plus[7])).all()
    minus = epd[epd[5] == "-"]
    assert ((minus[1] == minus[6]) & (minus[2] - 49 == minus[7])).all()
    assert ((epd[2] - epd[1]) == 60).all()
    assert 0.10 <= elements["TATA-box"].mean() <= 0.15
    tss = np.where(epd[5] == "+", epd[6], epd[7] - 1)
    pairs = []
    for chrom, position, strand in zip(epd[0], tss, epd[5], strict=True):
        sequence = atlas.genome[chrom].upper()
        pair = sequence[position - 1 : position + 1] if strand == "+" else sequence[position : position + 2]
        pairs.append(pair if strand == "+" else pair.translate(str.maketrans("ACGT", "TGCA"))[::-1])
    assert 0.65 < np.mean([pair[0] in "CT" and pair[1] in "AG" for pair in pairs]) < 0.75
    assert 0.32 < np.mean([pair == "CA" for pair in pairs]) < 0.42
    boxes = atlas.sites[atlas.sites["name"] == "TBP"]
    assert len(boxes) == elements["TATA-box"].sum() == atlas.truth["promoters_with_tata_box"]


def test_many_promoters_lie_in_housekeeping_regions(atlas):
    house = atlas.regions["program"] == "house-keeping"
    assert atlas.regions.loc[house, "has_promoter"].mean() > 2 * atlas.regions.loc[~house, "has_promoter"].mean()
    assert atlas.regions.loc[house, "has_promoter"].sum() > 300


def test_truth_tells_the_settings(atlas):
    truth = json.loads((atlas.folder / "truth.json").read_text())
    assert truth == json.loads(json.dumps(atlas.truth))
    assert truth["simulated"] is True
    assert truth["settings"]["seed"] == 42
    assert truth["fragments"] == atlas.counts.sum()
    assert {name: tuple(entry["factors"]) for name, entry in truth["cell_types"].items()} == dict(
        list(PROGRAMS.items())[:5]
    )


def test_all_factors_are_in_jaspar_2018(motifs):
    known = {motif.name for motif in motifs}
    for names in (*PROGRAMS.values(), HOUSEKEEPING, ("TBP",)):
        assert set(names) <= known


def test_chromosomes_without_regions_and_a_single_type_work(tmp_path, motifs):
    settings = replace(
        SMALL, chromosomes={"chr1": 90_000, "chrM": 3_000}, mostly_n=[], n_regions=60, n_promoters=10, n_cell_types=1
    )
    truth = simulate(settings, motifs, tmp_path)
    assert truth["regions"] == 60
    assert list(truth["cell_types"]) == ["Excitatory neurons"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"chromosomes": {"chr1": 100_000}, "mostly_n": []},
            "chr1 of 100000 bases has room for 96000, expected at least",
        ),
        ({"chromosomes": {"chr1": 3_000}, "mostly_n": []}, "make the chromosomes longer"),
        ({"n_promoters": 5000}, "promoters, expected 5000"),
        ({"n_genes": 500}, r"room for \d+ genes, expected 500; make the chromosomes longer or n_genes, exons_per_gene"),
        ({"exons_per_gene": 1.5}, "simulate.exons_per_gene: found 1.5, expected a number of at least 2"),
        ({"exon_bp": 20}, "simulate.exon_bp: found 20, expected a number of at least 30"),
        ({"intron_bp": 69}, "simulate.intron_bp: found 69, expected a number of at least 70"),
        ({"n_cell_types": 9}, "simulate.n_cell_types: found 9, expected a whole number of at least 1 and at most 8"),
        ({"n_regions": 0}, "simulate.n_regions: found 0, expected a whole number of at least 1"),
        ({"region_bp": 50}, "simulate.region_bp: found 50, expected a whole number of at least 120 and at most 900"),
        ({"tata": 1.5}, "simulate.tata: found 1.5, expected a number of at least 0 and at most 1"),
        (
            {"domain_purity": 0.9},
            "simulate.domain_purity: found 0.9 beside housekeeping 0.2, expected at most 1 together",
        ),
    ],
)
def test_settings_that_cannot_work(tmp_path, motifs, change, words):
    with pytest.raises(InputError, match=words) as error:
        simulate(replace(SMALL, **change), motifs, tmp_path / "out")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_factor_without_matrix(tmp_path, motifs):
    with pytest.raises(InputError, match="the 578 motifs lack NRF1; expected JASPAR 2018"):
        simulate(SMALL, [motif for motif in motifs if motif.name != "NRF1"], tmp_path)
