"""The simulated CTCF peak files: UCSC's form, planted sites under the summits, signal and sharing as set."""

import gzip
import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from Bio import SeqIO
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from genebert.errors import InputError
from genebert.genome.bases import decode, encode, reverse_complement
from genebert.genome.sequences import RegionSequences
from genebert.motifs.jaspar import load_jaspar
from genebert.settings.data import SimulationSettings
from genebert.simulate.atlas import simulate
from genebert.simulate.ctcf import PEAK_FILES, draw_peaks

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ["chrom", "start", "end", "name", "score", "strand", "signal", "p", "q", "offset"]
CENTRE = 9  # of CTCF's 19 bases, on both strands
# tests/config/tiny.yaml over config/config.yaml
USUAL = SimulationSettings(
    chromosomes={"chr1": 1_000_000, "chr2": 1_000_000, "chr3": 1_000_000, "chr4": 300_000},
    n_regions=3000,
    n_promoters=1200,
)
TINY = SimulationSettings(
    chromosomes={"chr1": 2_000_000, "chr2": 1_800_000, "chr3": 1_600_000, "chr4": 300_000},
    n_regions=700,
    n_promoters=300,
)
SMALL = replace(
    TINY, chromosomes={"chr1": 150_000, "chr2": 120_000}, mostly_n=(), n_regions=300, n_promoters=50, n_genes=0
)


@pytest.fixture(scope="module")
def motifs():
    return load_jaspar(release="JASPAR2018")


class Peaks:
    """Genome, peak tables (with `summit`, and the distance of the nearest planted site) and CTCF sites."""

    def __init__(self, folder):
        self.folder = folder
        self.truth = json.loads((folder / "truth.json").read_text())
        with gzip.open(folder / "genome.fa.gz", "rt") as handle:
            self.genome = {record.id: str(record.seq).upper() for record in SeqIO.parse(handle, "fasta")}
        planted = pd.read_csv(folder / "truth_sites.tsv", sep="\t")
        planted = planted[planted["planted_for"] == "ctcf"]
        self.partners = planted[planted["name"] == "YY1"]
        self.sites = planted[planted["name"] == "CTCF"].reset_index(drop=True)
        self.sites["centre"] = self.sites["start"] + CENTRE
        self.sites["bound"] = [
            ((self.partners["chrom"] == row.chrom) & ((self.partners["start"] + 6 - row.centre).abs() <= 40)).any()
            for row in self.sites.itertuples()
        ]
        self.tables = {}
        for name, file in PEAK_FILES.items():
            table = pd.read_csv(folder / "tfbs" / file, sep="\t", header=None, names=COLUMNS)
            table["summit"] = table["start"] + table["offset"]
            nearest = [self._nearest(row) for row in table.itertuples()]
            table["site"], table["distance"] = zip(*nearest, strict=True)
            self.tables[name] = table

    def _nearest(self, peak):
        distance = (self.sites.loc[self.sites["chrom"] == peak.chrom, "centre"] - peak.summit).abs()
        return (distance.idxmin(), distance.min()) if len(distance) else (-1, np.inf)

    def windows(self, name, size=101):
        """Return base codes of the windows at the summits (uint8 [n, size])."""
        table, half = self.tables[name], size // 2
        return np.stack([
            encode(self.genome[row.chrom][row.summit - half : row.summit + half + 1]) for row in table.itertuples()
        ])  # fmt: skip


@pytest.fixture(scope="module", params=["default", "tiny"])
def peaks(request, tmp_path_factory, motifs):
    folder = tmp_path_factory.mktemp(request.param)
    simulate(TINY if request.param == "tiny" else USUAL, motifs, folder)
    return Peaks(folder)


def test_files_have_the_form_of_the_uniform_tfbs_files(peaks):
    for name, file in PEAK_FILES.items():
        lines = gzip.decompress((peaks.folder / "tfbs" / file).read_bytes()).decode().splitlines()
        table = peaks.tables[name]
        assert len(lines) == len(table) == peaks.truth["ctcf"]["datasets"][name]["peaks"] >= 60
        assert {line.count("\t") for line in lines} == {9}
        fields = [line.split("\t") for line in lines]
        assert {(f[3], f[5], f[7]) for f in fields} == {(".", ".", "-1")}
        assert (np.diff(table["score"]) <= 0).all()
        assert set(table["score"].iloc[[0, -1]]) == {200, 1000}
        assert (np.diff(table["signal"]) <= 0).all()
        assert table["signal"].min() > 31
        assert (np.diff(table["q"]) <= 0).all()
        assert table["q"].between(1.77, 3.18).all()
        width = table["end"] - table["start"]
        assert 121 <= width.min() < 484 < width.max()
        assert 455 < width.mean() < 490
        assert ((table["offset"] >= 0) & (table["offset"] < width)).all()
        assert (table["start"] >= 0).all()
        assert (table["end"] <= table["chrom"].map({chrom: len(s) for chrom, s in peaks.genome.items()})).all()


def test_names_are_those_of_the_registered_files():
    table = pd.read_csv(ROOT / "config/tfbs.tsv", sep="\t", comment="#").set_index("name")
    assert {name: table.loc[name, "file"] for name in PEAK_FILES} == PEAK_FILES
    rule = (ROOT / "rules/simulate.smk").read_text()
    assert all(f'"tfbs/{file}"' in rule for file in PEAK_FILES.values())


@pytest.mark.shared
def test_real_file_has_the_same_form(shared_data, peaks):
    path = shared_data / "tfbs/wgEncodeAwgTfbsHaibA549Atf3V0422111Etoh02UniPk.narrowPeak.gz"
    real = pd.read_csv(path, sep="\t", header=None, names=COLUMNS)
    width = real["end"] - real["start"]
    for table in peaks.tables.values():
        assert table[COLUMNS].dtypes.equals(real.dtypes)
        for column in ("name", "strand", "p"):
            assert set(table[column]) == set(real[column])
        for column in ("score", "q"):
            assert table[column].min() == pytest.approx(real[column].min(), abs=0.01)
            assert table[column].max() == pytest.approx(real[column].max(), abs=0.01)
            at_most = [(column_of == column_of.max()).mean() for column_of in (table[column], real[column])]
            assert at_most[0] == pytest.approx(at_most[1], abs=0.02)
        ours = table["end"] - table["start"]
        assert ours.mode()[0] == width.mode()[0]
        assert ours.min() >= width.min()
        assert abs(ours.mean() - width.mean()) < 15
        assert table["signal"].median() == pytest.approx(real["signal"].median(), rel=0.15)


def test_summits_lie_on_planted_sites_with_a_partner(peaks):
    for name, table in peaks.tables.items():
        has = table["distance"] <= 20
        assert has.sum() == peaks.truth["ctcf"]["datasets"][name]["peaks_with_site"]
        assert table.loc[has, "site"].is_unique
        assert peaks.sites.loc[table.loc[has, "site"], "bound"].all()
        assert table.loc[has, "distance"].mean() < 5
        assert (table.loc[~has, "distance"] > 101).all()
        assert has.mean() == pytest.approx(0.85, abs=0.05)
        windows = peaks.windows(name)
        assert windows.max() < 4  # no N
        for row, window in zip(table[has].itertuples(), windows[has], strict=True):
            site = peaks.sites.loc[row.site]
            left = site["start"] - (row.summit - 50)
            codes = window[left : left + 19]
            assert decode(codes if site["strand"] == "+" else reverse_complement(codes)) == site["sequence"]


def test_windows_of_two_peaks_do_not_overlap(peaks):
    for table in peaks.tables.values():
        for _, here in table.groupby("chrom"):
            assert np.diff(np.sort(here["summit"])).min() > 101


def test_sites_are_as_many_as_set(peaks):
    n = peaks.truth["regions"]
    outside = peaks.sites["region"] == "."
    assert (~outside).sum() == round(0.25 * n) == peaks.truth["ctcf"]["sites_in_regions"]
    assert outside.sum() == round(0.04 * n)
    assert peaks.sites["bound"].sum() == peaks.truth["ctcf"]["sites_bound"] == len(peaks.partners)
    assert peaks.sites["bound"].mean() == pytest.approx(0.6, abs=0.01)
    place = peaks.sites["region"].str.extract(r"-(\d+)-(\d+)").astype(float).mean(axis=1)[~outside]
    middle = (peaks.sites["centre"] - place)[~outside]
    assert middle.abs().max() < 45
    assert (middle.abs() <= 16).mean() > 0.8  # whole within the central 51 bases
    used = set().union(*(table.loc[table["distance"] <= 20, "site"] for table in peaks.tables.values()))
    assert used == set(peaks.sites.index[peaks.sites["bound"]])


def test_cell_lines_share_most_peaks_and_rank_them_alike(peaks):
    for (a, first), (b, second) in itertools.permutations(peaks.tables.items(), 2):
        common = first[first["distance"] <= 20].merge(second[second["distance"] <= 20], on="site")
        with_site = (first["distance"] <= 20).sum()
        assert common.shape[0] / with_site == pytest.approx(0.8, abs=0.08), (a, b)
        assert stats.spearmanr(common["signal_x"], common["signal_y"]).statistic > 0.6
    every = {entry["peaks_in_all_datasets"] for entry in peaks.truth["ctcf"]["datasets"].values()}
    assert len(every) == 1


def test_signal_grows_with_the_score_of_the_site(peaks, motifs):
    motif = next(motif for motif in motifs if motif.name == "CTCF")
    assert motif.matrix_id == "MA0139.1"
    matrix = np.log2((motif.counts + 0.25) / (motif.counts + 0.25).sum(axis=0) / 0.25)
    score = np.array([matrix[encode(text), np.arange(19)].sum() for text in peaks.sites["sequence"]])
    assert score.std() > 4
    for table in peaks.tables.values():
        has = table["distance"] <= 20
        assert 0.5 < stats.spearmanr(score[table.loc[has, "site"]], table.loc[has, "signal"]).statistic < 0.95
        assert table.loc[~has, "signal"].median() < table.loc[has, "signal"].median()


def test_matrix_separates_windows_from_shuffled_ones(peaks, motifs):
    """Not perfectly: some sites are weak, and some peaks have none."""
    import dinuc_shuf
    from sklearn.metrics import roc_auc_score

    from genebert.motifs.scan import BestScorer
    from genebert.motifs.scoring import score_motifs

    scoring = score_motifs([m for m in motifs if m.name == "CTCF"], (0.25,) * 4, "counts", 1.0, 1e-4)
    for name in PEAK_FILES:
        windows = peaks.windows(name)
        one_hot = np.eye(4, dtype=np.uint8)[windows]
        shuffled = dinuc_shuf.shuffle(one_hot, rng=np.random.default_rng(0)).argmax(axis=2).astype(np.uint8)
        codes = np.concatenate([windows, shuffled])
        sequences = RegionSequences(codes.ravel(), np.arange(0, codes.size + 1, 101), "toy")
        scores = BestScorer(scoring).score(sequences, np.arange(len(codes)))[:, 0]
        assert 0.85 < roc_auc_score(np.arange(len(codes)) < len(windows), scores) < 0.99, name
        # A strong hit is in 36-89 % of real CTCF peaks
        assert 0.36 < (scores[: len(windows)] > 10 * np.log(2)).mean() < 0.89


def test_only_the_bases_of_the_sites_change(tmp_path, motifs):
    simulate(replace(SMALL, ctcf=0, ctcf_outside=0), motifs, tmp_path / "without")
    simulate(SMALL, motifs, tmp_path / "with")
    for name in ("matrix.mtx.gz", "peaks.bed", "cells.tsv", "blacklist.bed", "epdnew.bed", "promoter_motifs.txt",
                 "truth_regions.tsv"):  # fmt: skip
        assert (tmp_path / "without" / name).read_bytes() == (tmp_path / "with" / name).read_bytes(), name
    texts = [gzip.decompress((tmp_path / part / "genome.fa.gz").read_bytes()) for part in ("without", "with")]
    before, after = ({r.split("\n", 1)[0]: r.split("\n", 1)[1].replace("\n", "")
                      for r in text.decode().split(">")[1:]} for text in texts)  # fmt: skip
    sites = [pd.read_csv(tmp_path / part / "truth_sites.tsv", sep="\t") for part in ("without", "with")]
    new = sites[1]["planted_for"] == "ctcf"
    assert sites[1][~new].reset_index(drop=True).equals(sites[0])
    epd = pd.read_csv(tmp_path / "with" / "epdnew.bed", sep=" ", header=None)
    for chrom in before:
        changed = np.frombuffer(before[chrom].encode(), np.uint8) != np.frombuffer(after[chrom].encode(), np.uint8)
        assert changed.sum() > 500
        planted = np.zeros(len(changed), dtype=bool)
        for row in sites[1][new & (sites[1]["chrom"] == chrom)].itertuples():
            planted[row.start : row.end] = True
        assert not (changed & ~planted).any()
        for row in epd[epd[0] == chrom].itertuples():  # the promoter windows of 300 bases
            tss = row[7] if row[6] == "+" else row[8] - 1
            low, high = (tss - 249, tss + 51) if row[6] == "+" else (tss - 50, tss + 250)
            assert not planted[low:high].any()


def test_no_sites_no_peaks(tmp_path, motifs):
    truth = simulate(replace(SMALL, ctcf=0, ctcf_outside=0), motifs, tmp_path)
    assert {entry["peaks"] for entry in truth["ctcf"]["datasets"].values()} == {0}
    for file in PEAK_FILES.values():
        assert gzip.decompress((tmp_path / "tfbs" / file).read_bytes()) == b""


@settings(max_examples=30, deadline=None)
@given(shared=st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0]), seed=st.integers(0, 2**32 - 1))
def test_share_of_common_peaks_is_the_setting(shared, seed):
    rng = np.random.default_rng(seed)
    places = pd.DataFrame(
        {"centre": 1000 * np.arange(6000), "score": rng.normal(12, 5, 6000), "bound": True, "in_region": True}
    )
    tables = draw_peaks(replace(SMALL, ctcf_shared=shared), places, rng)
    for table in tables.values():
        assert abs(table["shared"].mean() - shared) < 0.06
    used = pd.concat([table["summit"].round(-3) for table in tables.values()]).value_counts()
    assert len(used) == 6000
    assert set(used) <= {1, len(tables)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ctcf": 1.0}, r"room for \d+ CTCF sites in regions, expected 300; .* ctcf smaller"),
        ({"ctcf_outside": 1.0}, r"room for \d+ CTCF sites between regions, expected 300; .* ctcf_outside smaller"),
        ({"ctcf_without_site": 0.9}, r"room for \d+ peaks without a CTCF site, expected \d+; .* ctcf_without_site"),
        ({"ctcf": 1.2}, "simulate.ctcf: found 1.2, expected a number of at least 0 and at most 1"),
        ({"ctcf_outside": -0.1}, "simulate.ctcf_outside: found -0.1, expected a number of at least 0"),
        ({"ctcf_partner": 2}, "simulate.ctcf_partner: found 2, expected a number of at least 0"),
        ({"ctcf_shared": float("nan")}, "simulate.ctcf_shared: found nan, expected a number of at least 0"),
        (
            {"ctcf_without_site": 1.0},
            "simulate.ctcf_without_site: found 1.0, expected a number of at least 0 and below 1",
        ),
    ],
)
def test_settings_that_cannot_work(tmp_path, motifs, change, words):
    with pytest.raises(InputError, match=words) as error:
        simulate(replace(SMALL, **change), motifs, tmp_path / "out")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_motifs_without_ctcf(tmp_path, motifs):
    with pytest.raises(InputError, match="lack CTCF; expected JASPAR 2018"):
        simulate(SMALL, [motif for motif in motifs if motif.name != "CTCF"], tmp_path)
