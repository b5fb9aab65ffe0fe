"""A simulated cohort: what is refused; founders, copies of them, and weights of alleles by themselves."""

import itertools

import numpy as np
import pytest
from cohort_inputs import PUBLISHED, random_bases, toy_genome, toy_settings, with_bases, write_genome
from scipy.special import expit

from genebert.errors import InputError
from genebert.genome.anchors import SNP, SNP_NAME
from genebert.motifs.jaspar import load_jaspar
from genebert.settings.cohort import CohortSimulationSettings
from genebert.simulate.cohort import simulate_cohort
from genebert.simulate.haplotypes import Columns, Copier, Founders, draw_founders
from genebert.simulate.risk import class_alleles, rake


@pytest.fixture(scope="module")
def motifs():
    return load_jaspar("JASPAR2018")


# ------------------------------------------------------------------------------------------------------ what is refused


def toy_site(**changes):
    site = {"factor": "SOX10", "position": 15_001, "risk": "T", "other": "C", "ref": "C", **PUBLISHED}
    return {"sites": {"middle": {**site, **changes}}}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"end": 30_001}, "cohort.end: found 30001, expected at most 30000, the length of chr1 in "),
        ({"chromosome": "chr9"}, "cohort.chromosome: found chr9, expected one of "),
        (toy_site(ref="T"), "cohort.sites.middle.ref: found C at chr1:15001 of "),
        (toy_site(risk="A", other="G", ref=None), "cohort.sites.middle.risk: found C at chr1:15001 of "),
        (toy_site(position=40_000), "cohort.sites.middle.position: found 40000, expected 1001 to 29000, where"),
        (toy_site(position=1000), "cohort.sites.middle.position: found 1000, expected 1001 to 29000, where"),
        (toy_site(position=None, risk=None, other=None, ref=None, factor="EP300"),
         "cohort.sites.middle.factor: found EP300, of which JASPAR's file has no matrix; expected a factor"),
        ({"sites": {**toy_site()["sites"], "again": toy_site()["sites"]["middle"]}},
         "cohort.sites.again.position: found that of middle, expected another"),
    ],
)  # fmt: skip
def test_what_the_genome_refuses(tmp_path, motifs, changes, sentence):
    with pytest.raises(InputError) as caught:
        simulate_cohort(toy_settings(**changes), toy_genome(tmp_path), motifs, tmp_path / "cohort")
    assert str(caught.value).startswith(sentence) and "\n" not in str(caught.value)
    assert not (tmp_path / "cohort").exists()


def test_unknown_bases_in_the_locus(tmp_path, motifs):
    bases = with_bases(random_bases(30_000), {15_000: "C", 100: "N", 200: "n"})
    with pytest.raises(
        InputError, match=r"^cohort.start: found a locus, chr1:0-30000, with 2 bases N in .*first at 101;"
    ):
        simulate_cohort(toy_settings(), write_genome(tmp_path, bases), motifs, tmp_path / "cohort")


def test_the_known_variant_at_its_place_in_another_build(tmp_path, motifs):
    bases = with_bases(random_bases(30_000), {15_000: "C"})
    genome = write_genome(tmp_path, bases, build="hg38")
    site = toy_site()["sites"]["middle"]
    with pytest.raises(InputError, match="position: found 15001, expected 43086608, its place in hg38"):
        simulate_cohort(toy_settings(sites={SNP_NAME: site}), genome, motifs, tmp_path / "cohort")
    assert CohortSimulationSettings().risk_sites[SNP_NAME].position == SNP["hg19"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"cases": 0}, "cohort.cases: found 0, expected a whole number of at least 1"),
        ({"controls": 3}, "cohort.controls: found 3, expected more than the 3 parents of cohort.families"),
        ({"cases": 8}, "cohort.cases: found 8, expected at least 9: cohort.families has as many"),
        ({"end": 1000}, "cohort.end: found 1000 beside start 0, expected room for an element of 2000 bases"),
        ({"short_segment": 0.97}, "cohort.total_colonic: found 0.05 beside short_segment 0.97, expected at most 1"),
        ({"population": "french"}, "cohort.population: found 'french', expected one of chinese, european"),
        (toy_site(frequency={"european": 0.2}), "cohort.sites.middle.frequency: found null for chinese"),
        (toy_site(case_frequency={"european": 0.2}), "cohort.sites.middle.case_frequency: found null for chinese"),
        (toy_site(odds_ratio=2.0), "cohort.sites.middle.odds_ratio: found 2.0, expected either this"),
        (toy_site(case_frequency={}), "cohort.sites.middle.odds_ratio: found null, expected either this"),
        (toy_site(position=None), "cohort.sites.middle.risk: found 'T', expected null: a site without position has"),
        (toy_site(other=None), "cohort.sites.middle.other: found null, expected a base: a site with"),
        (toy_site(other="T"), "cohort.sites.middle.other: found T, the same as risk, expected another base"),
        (toy_site(ref="A"), "cohort.sites.middle.ref: found A, expected one of the site's alleles, or null"),
        (toy_site(within=(1, 9)), "cohort.sites.middle.within: found [1, 9], expected null beside a position"),
        ({"sites": {f"s{i}": toy_site()["sites"]["middle"] for i in range(9)}}, "cohort.sites: found 9"),
    ],
)  # fmt: skip
def test_what_the_settings_refuse(changes, sentence):
    with pytest.raises(InputError) as caught:
        toy_settings(**changes)
    assert str(caught.value).startswith(sentence)


# --------------------------------------------------------------------------------------------- haplotypes by themselves


def columns_of(positions, sites):
    positions = np.array(positions)
    return Columns(positions, np.zeros(len(positions), dtype=bool), np.array(sites))


def test_carriers_come_near_to_their_frequency():
    columns = columns_of(range(0, 100_000, 100), [100, 500, 900])
    targets, errors = np.array([0.47, 0.25, 0.7]), []
    for seed in range(10):
        founders = draw_founders(256, columns, targets, 2e-4, 1000, np.random.default_rng(seed))
        shares = founders.alleles[:, columns.sites].mean(axis=0)
        assert ((shares > 0) & (shares < 1)).all()
        errors.append(shares - targets)
    assert np.abs(errors).mean() < 0.12


def test_a_copy_has_the_alleles_that_were_asked_for_and_its_chances():
    """Classes as asked for; and where it is asked for as often as by chance, switches are as rare as they should be."""
    rng = np.random.default_rng(0)
    founders, positions = 6, np.arange(0, 30_000, 10)
    alleles = np.broadcast_to(np.arange(founders, dtype=np.uint8)[:, None], (founders, len(positions))).copy()
    columns = columns_of(positions, [500, 700, 2400])
    alleles[:, columns.sites] = [[1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 0, 0]]
    none = np.array([], dtype=np.int64)
    copier = Copier(Founders(alleles, (none, none)), columns, 5000.0)
    assert copier.classes.sum() == pytest.approx(1)
    by_hand = []
    for wanted in class_alleles(3):
        fits, total = [np.flatnonzero(alleles[:, c] == w) for c, w in zip(columns.sites, wanted, strict=True)], 0.0
        for path in itertools.product(*fits):
            chance = 1 / founders
            for before, after, bases in zip(path[:-1], path[1:], (2000, 17_000), strict=True):
                stay = np.exp(-bases / 5000)
                chance *= (before == after) * stay + (1 - stay) / founders
            total += chance
        by_hand.append(total)
    assert copier.classes == pytest.approx(by_hand)
    classes = rng.choice(8, 3000, p=copier.classes)
    copied = copier.copy(classes, rng)
    assert (copied[:, columns.sites] == class_alleles(3)[classes]).all()
    rest = np.delete(copied, columns.sites, axis=1)
    switches = (rest[:, 1:] != rest[:, :-1]).sum(axis=1)
    assert switches.mean() == pytest.approx(positions[-1] / 5000 * (founders - 1) / founders, rel=0.03)
    assert switches.var() == pytest.approx(switches.mean(), rel=0.12)
    assert np.bincount(rest.ravel(), minlength=founders) / rest.size == pytest.approx(
        np.full(founders, 1 / 6), abs=0.01
    )


def test_alleles_are_weighed_and_nothing_else():
    """Frequencies as asked for, odds ratios between the alleles as they were, and weights that make it so."""
    chances = np.array([0.3, 0.1, 0.05, 0.15, 0.1, 0.1, 0.1, 0.1])
    found, log_odds = rake(chances, np.array([0.2, np.nan, 0.9]))
    carries = class_alleles(3)
    assert found @ carries[:, [0, 2]] == pytest.approx([0.2, 0.9]) and log_odds[1] == 0
    by_hand = chances * np.exp(carries @ log_odds)
    assert found == pytest.approx(by_hand / by_hand.sum())
    one, _ = rake(np.array([0.5, 0.5]), np.array([expit(2.0)]))
    assert one == pytest.approx([1 - expit(2.0), expit(2.0)])
    with pytest.raises(InputError, match=r"^cohort.sites: found frequencies 0.3, 0.4 that no weights"):
        rake(np.array([0.5, 0.0, 0.0, 0.5]), np.array([0.3, 0.4]))
