"""A simulated cohort: published frequencies, linkage, relatives, forms of the files, and what is refused."""

import itertools
import time

import numpy as np
import pandas as pd
import pytest
from cohort_inputs import (
    NO_FAMILIES,
    PUBLISHED,
    Cohort,
    hg19_genome,
    random_bases,
    toy_genome,
    toy_settings,
    with_bases,
    write_genome,
)
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from genebert.errors import InputError
from genebert.genome.anchors import SNP
from genebert.genome.bases import decode, encode, reverse_complement
from genebert.genome.fasta import Genome
from genebert.motifs.jaspar import Motif, load_jaspar
from genebert.settings.cohort import CohortSimulationSettings
from genebert.simulate.cohort import simulate_cohort
from genebert.sources.cohort import check_bed, check_index, check_phenotypes, check_vcf

NAMES = ["rs2506030", "rs7069590", "rs2435357"]  # along the chromosome
FILES = ["cohort.vcf.gz", "cohort.vcf.gz.tbi", "effects.tsv", "elements.bed", "locus.bed", "phenotypes.tsv",
         "truth.json"]  # fmt: skip


@pytest.fixture(scope="module")
def motifs():
    return load_jaspar("JASPAR2018")


@pytest.fixture(scope="module")
def hg19(tmp_path_factory):
    return hg19_genome(tmp_path_factory.mktemp("hg19"), second="G")


@pytest.fixture(scope="module", params=["chinese", "european"])
def whole(request, tmp_path_factory, hg19, motifs):
    """The default cohort, of either population."""
    settings = CohortSimulationSettings(population=request.param)
    return Cohort(settings, hg19, motifs, tmp_path_factory.mktemp(request.param) / "cohort")


@pytest.fixture(scope="module")
def many(tmp_path_factory, hg19, motifs):
    """Many people without relatives, for figures with little chance in them; few variants."""
    settings = CohortSimulationSettings(cases=6000, controls=6000, variant_bp=4000.0, families=NO_FAMILIES)
    return Cohort(settings, hg19, motifs, tmp_path_factory.mktemp("many") / "cohort")


def correlations(rows):
    """Return squared correlations of all pairs of rows (bool [n, n_haplotypes])."""
    return np.corrcoef(rows.astype(float)) ** 2


# ------------------------------------------------------------------------------------------------------------ the files


def test_the_real_cohorts_checks_accept_it(whole, tmp_path):
    record = check_vcf(whole.folder / "cohort.vcf.gz")
    assert record["build"] == "hg19" and record["evidence"] == {"contig_lengths": True, "rs2435357": ["hg19"]}
    assert record["counts"]["samples"] == 936 and record["compared_with_phenotypes"]
    assert record["counts"]["records"] == {"chr10": len(whole.records)}
    assert record["counts"]["genotypes_looked_at"] == {"phased": 936_000, "unphased": 0, "missing": 0, "one_allele": 0}
    assert check_index(whole.folder / "cohort.vcf.gz.tbi")["compared_with_vcf"]
    assert check_bed(whole.folder / "elements.bed")["build"] == "hg19"
    assert check_bed(whole.folder / "locus.bed")["counts"]["bases"] == 400_000
    counts = check_phenotypes(whole.folder / "phenotypes.tsv")["counts"]
    assert (counts["cases"], counts["controls"], counts["cohort"]) == (443, 493, {"simulated": 936})


def test_it_says_that_it_is_simulated(whole):
    assert "##source=genebert, a simulated cohort: no genotype is that of a person\n" in whole.header
    assert (
        whole.samples == [f"SIM{number:05d}" for number in range(1, 937)] == [one["sample_id"] for one in whole.people]
    )
    assert whole.truth["simulated"] is True and sorted(path.name for path in whole.folder.iterdir()) == FILES


def test_reference_alleles_are_the_genomes(whole, hg19):
    for chrom, position, _, ref, alts in whole.records:
        assert decode(hg19.codes(chrom, position - 1, position - 1 + len(ref))) == ref
        assert len({ref, *alts}) == 1 + len(alts)
    ends = [(position, position + len(ref)) for _, position, _, ref, _ in whole.records]
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(ends))


def test_the_variants_look_real(whole):
    """Density, spectrum, indels as far left as they go, more transitions than transversions, several alternatives."""
    number, counts = len(whole.records), whole.truth["counts"]
    assert 100 < 400_000 / number < 200 and counts["variants"] == number
    alternative = (whole.alleles > 0).mean(axis=(1, 2))
    minor = np.minimum(alternative, 1 - alternative)
    assert 0.35 < (minor < 0.01).mean() < 0.7 and 0.2 < (minor > 0.05).mean() < 0.5
    assert (whole.alleles.max(axis=(1, 2)) > 0).all() and (whole.alleles.min(axis=(1, 2)) == 0).sum() > 0.95 * number
    assert 0.02 < (alternative > 0.5).mean() < 0.3  # the genome has the derived allele there
    texts = [(ref, *alts) for _, _, _, ref, alts in whole.records]
    indels = [text for text in texts if {len(one) for one in text} != {1}]
    several = [text for text in texts if len(text) == 3]
    assert (len(indels), len(several)) == (counts["indels"], counts["multi_allelic"])
    assert 0.03 < len(indels) / number < 0.07 and 0.004 < len(several) / number < 0.02
    assert {len(one) - 1 for text in indels for one in text} == {0, 1, 2, 3, 4, 5}
    assert all(ref[0] == alt[0] and ref[-1] != alt[-1] for ref, alt in indels)
    changes = {frozenset(text) for text in ("AG", "CT")}
    simple = [frozenset(text) for text in texts if len(text) == 2 and len(text[0]) == len(text[1]) == 1]
    assert 0.62 < np.mean([one in changes for one in simple]) < 0.72
    of_three = [whole.alleles[i] for i, text in enumerate(texts) if len(text) == 3]
    assert all(set(np.unique(one)) >= {1, 2} for one in of_three)


def test_elements_effects_and_truth(whole):
    elements = pd.read_csv(whole.folder / "elements.bed", sep="\t", header=None)
    effects = pd.read_csv(whole.folder / "effects.tsv", sep="\t")
    assert elements[3].tolist() == effects["rsID"].tolist() == [site["name"] for site in whole.truth["sites"]] == NAMES
    assert (elements[2] - elements[1] == 2000).all() and set(elements[0]) == set(effects["chr_name"]) == {"chr10"}
    assert (effects["chr_position"] - 1 - elements[1] == 1000).all()
    records = {record[2]: record for record in whole.records if record[2]}
    assert set(records) == set(NAMES)
    for row, site in zip(effects.itertuples(), whole.truth["sites"], strict=True):
        _, position, _, ref, alts = records[row.rsID]
        assert (position, ref, alts) == (row.chr_position, site["ref"], (site["alt"],)) == (site["position"], ref, alts)
        assert {row.effect_allele, row.other_allele} == {ref, *alts} and row.effect_allele == site["risk"]
        assert row.effect_weight == pytest.approx(site["log_odds_ratio"], abs=1e-6)
    assert (effects["effect_weight"][:2] == [round(np.log(1.7), 6), round(np.log(2), 6)]).all()
    assert records["rs2506030"][3] == "G" == whole.site("rs2506030")["risk"]  # the risk allele is the genome's
    assert (records["rs2435357"][1], records["rs2435357"][3:]) == (SNP["hg19"], ("C", ("T",)))
    found = whole.site("rs7069590")
    assert found["matrix_id"] == "MA0036.3" and found["scores"]["ref"] > 4 > found["scores"]["alt"]
    assert found["hit"][0] < found["position"] <= found["hit"][1] and 43_561_976 <= found["position"] <= 43_571_975


def test_sex_and_segment(whole):
    table = pd.DataFrame(whole.people)
    assert ((table["segment"] == "NA") == (table["status"] == "0")).all()
    male = table.groupby("status")["sex"].agg(lambda one: (one == "M").mean())
    assert male["1"] == pytest.approx(0.8, abs=0.01) and male["0"] == pytest.approx(0.5, abs=0.01)
    share = table.loc[table["status"] == "1", "segment"].value_counts(normalize=True)
    assert share.to_dict() == pytest.approx({"S": 0.8, "L": 0.15, "TCA": 0.05}, abs=0.01)


# ------------------------------------------------------------------------------------------------ frequencies and risk


def test_the_variant_alone_predicts_as_published(whole):
    """AUC of 0, 1 or 2 risk alleles: 0.803 and 0.741 in equilibrium (docs/facts.md 46), give or take the sampling."""
    population = whole.truth["settings"]["population"]
    controls, cases = (PUBLISHED[key][population] for key in ("frequency", "case_frequency"))
    carried = whole.risk("rs2435357")
    for group, expected in ((~whole.case, controls), (whole.case, cases)):
        error = np.sqrt(expected * (1 - expected) / (2 * group.sum()))
        assert carried[group].mean() == pytest.approx(expected, abs=3.5 * error)
    auc = roc_auc_score(whole.case, carried.sum(axis=1))
    assert auc == pytest.approx({"chinese": 0.803, "european": 0.741}[population], abs=0.04)
    score = sum(site["log_odds_ratio"] * whole.risk(site["name"]).sum(axis=1) for site in whole.truth["sites"])
    assert roc_auc_score(whole.case, score) == pytest.approx({"chinese": 0.85, "european": 0.80}[population], abs=0.04)


def test_frequencies_of_many(many):
    for name, expected in zip(NAMES, (0.4, 0.7, 0.47), strict=True):
        carried, about = many.risk(name), many.site(name)
        assert (
            carried[~many.case].mean() == pytest.approx(expected, abs=0.015)
            and about["frequency"]["controls"] == expected
        )
        assert carried[many.case].mean() == pytest.approx(about["frequency"]["cases"], abs=0.015)
        assert about["found"] == {"controls": carried[~many.case].mean(), "cases": carried[many.case].mean()}
        odds = logit(carried[many.case].mean()) - logit(carried[~many.case].mean())
        assert odds == pytest.approx(about["log_odds_ratio_alone"], abs=0.12)
    assert many.site("rs2435357")["frequency"]["cases"] == pytest.approx(0.88)


def test_odds_ratios_of_many(many):
    """A regression on haplotypes finds what the settings say: three odds ratios, and synergy of two or more."""
    rows = np.stack([many.risk(name) for name in NAMES], axis=-1).reshape(-1, 3)
    rows = np.column_stack([rows, rows.sum(axis=1) > 1])
    fitted = LogisticRegression(C=np.inf, max_iter=1000).fit(rows, np.repeat(many.case, 2))
    expected = [many.site(name)["log_odds_ratio"] for name in NAMES]
    assert fitted.coef_[0] == pytest.approx([*expected, np.log(1.2)], abs=0.2)
    assert expected[:2] == pytest.approx(np.log([1.7, 2.0]))
    assert roc_auc_score(many.case, many.risk("rs2435357").sum(axis=1)) == pytest.approx(0.803, abs=0.015)


def test_sites_are_independent_in_controls(many):
    rows = np.stack([many.risk(name) for name in NAMES])[:, ~many.case].reshape(3, -1)
    assert np.abs(np.corrcoef(rows.astype(float))[np.triu_indices(3, 1)]).max() < 0.035


def test_controls_and_cases_are_in_equilibrium(many):
    """Heterozygotes are as many as two independent haplotypes make, at every common variant."""
    for group in (~many.case, many.case):
        alternative = many.alleles[:, group] > 0
        share = alternative.mean(axis=(1, 2))
        common = (share > 0.05) & (share < 0.95)
        found = (alternative[..., 0] != alternative[..., 1]).mean(axis=1)
        expected = 2 * share * (1 - share)
        error = np.sqrt(expected * (1 - expected) / group.sum())
        z = (found - expected)[common] / error[common]
        assert common.sum() > 20 and np.abs(z).max() < 4.5 and abs(z.mean()) < 1.5


def test_linkage_decays_with_distance(whole):
    position = np.array([record[1] for record in whole.records])
    rows = (whole.alleles > 0).reshape(len(position), -1)
    share = rows.mean(axis=1)
    common = (share > 0.1) & (share < 0.9)
    squares, apart = correlations(rows[common]), np.abs(position[common][:, None] - position[common])
    upper = np.triu_indices(len(apart), 1)
    squares, apart = squares[upper], apart[upper]
    edges = (0, 1000, 5000, 20_000, 60_000, 200_000)
    means = [squares[(apart >= low) & (apart < high)].mean() for low, high in itertools.pairwise(edges)]
    assert means[0] > 0.3 and means[-1] < 0.08 and all(a > b for a, b in itertools.pairwise(means))


def test_sites_are_linked_with_what_lies_near(whole):
    """No marker stands in for a site by construction, and none of them is as if it had come from nowhere."""
    position = np.array([record[1] for record in whole.records])
    rows = (whole.alleles > 0).reshape(len(position), -1)
    for name in NAMES:
        row = next(i for i, record in enumerate(whole.records) if record[2] == name)
        near = np.flatnonzero((np.abs(position - position[row]) < 20_000) & (np.arange(len(position)) != row))
        best = max(np.corrcoef(rows[row], rows[i])[0, 1] ** 2 for i in near)
        assert 0.25 < best <= 1


# ------------------------------------------------------------------------------------------------------------ relatives


def test_relatives_share_what_they_must(whole):
    index = {name: i for i, name in enumerate(whole.samples)}
    kinds = [pair["kind"] for pair in whole.truth["relatives"]]
    assert kinds == ["parent_child"] * 3 + ["sibs"] * 2 + ["duplicates"]
    assert len({name for pair in whole.truth["relatives"] for name in pair["people"]}) == 2 * len(kinds)
    genotypes = np.sort(whole.alleles, axis=2)
    for pair in whole.truth["relatives"]:
        a, b = (index[name] for name in pair["people"])
        assert whole.case[a] and whole.case[b] == (pair["kind"] != "parent_child")
        halves = [(whole.alleles[:, a, i] == whole.alleles[:, b, j]).all() for i in (0, 1) for j in (0, 1)]
        if pair["kind"] == "duplicates":
            assert (genotypes[:, a] == genotypes[:, b]).all()
            assert {**whole.people[a], "sample_id": ""} == {**whole.people[b], "sample_id": ""}
        elif pair["kind"] == "parent_child":
            assert sum(halves) == 1
        else:
            assert 0 <= sum(halves) <= 2


def test_sibs_share_both_haplotypes_one_or_none(tmp_path, motifs):
    """Without risk: a quarter, a half and a quarter of the pairs."""
    site = {"factor": "SOX10", "position": 15_001, "risk": "T", "other": "C", "odds_ratio": 1.0,
            "frequency": {"chinese": 0.4}}  # fmt: skip
    families = NO_FAMILIES | {"sibs": 400}
    settings = toy_settings(cases=900, controls=10, families=families, sites={"middle": site}, founders=256)
    cohort = Cohort(settings, toy_genome(tmp_path), motifs, tmp_path / "cohort")
    texts = [[cohort.alleles[:, i, side].tobytes() for side in (0, 1)] for i in range(910)]
    index = {name: i for i, name in enumerate(cohort.samples)}
    pairs = [[texts[index[name]] for name in pair["people"]] for pair in cohort.truth["relatives"]]
    shared = np.bincount([len(set(a) & set(b)) for a, b in pairs], minlength=3) / 400
    assert shared == pytest.approx([0.25, 0.5, 0.25], abs=0.08)


def test_an_affected_sib_got_the_risk_more_often(tmp_path, motifs):
    """A parent with one risk allele passes it to a second affected child in proportion to the risk."""
    site = {"factor": "SOX10", "position": 15_001, "risk": "T", "other": "C", "odds_ratio": 20.0,
            "frequency": {"chinese": 0.05}}  # fmt: skip
    families = NO_FAMILIES | {"sibs": 600}
    settings = toy_settings(cases=1300, controls=10, families=families, sites={"middle": site}, variant_bp=3000.0)
    cohort = Cohort(settings, toy_genome(tmp_path), motifs, tmp_path / "cohort")
    carried = cohort.risk("middle")
    index = {name: i for i, name in enumerate(cohort.samples)}
    second = [index[pair["people"][1]] for pair in cohort.truth["relatives"]]
    p, r = 0.05, 20.0
    q = p * r / (1 - p + p * r)  # in cases; of the parent's two, one is a case's and one of the population
    expected = q * p + (q * (1 - p) + (1 - q) * p) * r / (r + 1)
    assert carried[second].mean() == pytest.approx(expected, abs=0.04)


# ------------------------------------------------------------------------------------------------------ equal, and fast


def test_equal_settings_give_equal_bytes_and_another_seed_others(tmp_path, motifs):
    genome = toy_genome(tmp_path)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        simulate_cohort(toy_settings(seed=seed, cases=40, controls=50), genome, motifs, tmp_path / name)
    one, same, other = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in "abc")
    assert sorted(one) == FILES and one == same
    different = {name for name in FILES if one[name] != other[name]}
    assert different >= {"cohort.vcf.gz", "phenotypes.tsv", "truth.json"}


def test_an_earlier_cohort_is_replaced_as_a_whole(tmp_path, motifs):
    genome = toy_genome(tmp_path)
    (tmp_path / "cohort").mkdir()
    (tmp_path / "cohort/of-before").touch()
    simulate_cohort(toy_settings(cases=20, controls=20), genome, motifs, tmp_path / "cohort")
    assert sorted(path.name for path in (tmp_path / "cohort").iterdir()) == FILES


def test_the_genome_is_only_read(tmp_path, motifs):
    genome = toy_genome(tmp_path)
    before = genome.path.read_bytes()
    simulate_cohort(toy_settings(cases=20, controls=20), genome, motifs, tmp_path / "cohort")
    assert genome.path.read_bytes() == before


def test_a_whole_locus_takes_seconds(hg19, motifs, tmp_path):
    began = time.process_time()
    simulate_cohort(CohortSimulationSettings(), hg19, motifs, tmp_path / "cohort")
    assert time.process_time() - began < 15  # 1.5 s of a processor of 2023


# ------------------------------------------------------------------------------------------------------ sites by factor


def planted_genome(folder, words):
    """Return a genome of A and T where only these words (place -> word) are hits of matrices of G and C."""
    letters = list(decode(np.random.default_rng(0).choice([0, 3], 30_000).astype(np.uint8)))
    for place, word in words.items():
        letters[place : place + len(word)] = word
    return write_genome(folder, "".join(letters))


STRONG, WEAK = "GCCGACGC", "GCCGATGC"
WORD = Motif("M1", "Rarb", np.array([[1, 1, 1, 1, 40, 1, 1, 1], [1, 98, 98, 1, 1, 98, 1, 98],
                                     [98, 1, 1, 98, 1, 1, 98, 1], [1, 1, 1, 1, 59, 1, 1, 1.0]]))  # fmt: skip


def by_factor(**changes):
    site = {"factor": "RARB", "frequency": {"chinese": 0.3}, "odds_ratio": 2.0}
    return toy_settings(cases=20, controls=20, sites={"x": {**site, **changes}})


@pytest.mark.parametrize("strand", ["+", "-"])
def test_the_strongest_hit_and_the_change_that_weakens_it_most(tmp_path, strand):
    strong = STRONG if strand == "+" else decode(reverse_complement(encode(STRONG)))
    genome = planted_genome(tmp_path, {8000: WEAK, 20_000: strong})
    (site,) = simulate_cohort(by_factor(), genome, [WORD], tmp_path / "cohort")["sites"]
    assert site["hit"] == [20_000, 20_008] and site["matrix_id"] == "M1"
    assert strong[site["position"] - 1 - 20_000] == site["ref"] in "GC" and site["risk"] == site["alt"]
    assert site["scores"]["ref"] - site["scores"]["alt"] > 4


def test_a_hit_that_is_sought_in_a_part_or_away_from_another(tmp_path):
    genome = planted_genome(tmp_path, {8000: STRONG, 20_000: STRONG, 20_500: STRONG, 29_500: STRONG})
    near = simulate_cohort(by_factor(within=(15_000, 30_000)), genome, [WORD], tmp_path / "a")["sites"][0]
    assert near["hit"][0] in (20_000, 20_500)  # the last one has no room for an element
    two = by_factor().sites["x"]
    settings = toy_settings(cases=20, controls=20, sites=dict.fromkeys("xy", two))
    hits = [site["hit"][0] for site in simulate_cohort(settings, genome, [WORD], tmp_path / "b")["sites"]]
    assert hits == [8000, 20_000]
    three = toy_settings(cases=20, controls=20, sites=dict.fromkeys("xyz", two))
    with pytest.raises(
        InputError, match=r"^cohort.sites.z.within: found no hit of RARB \(M1\) in chr1:1000-29000 that is"
    ):
        simulate_cohort(three, genome, [WORD], tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_the_demo_genome_reads_as_any_other(tmp_path, motifs):
    """A file of lines of another length, and lower-case letters."""
    bases = with_bases(random_bases(30_000), {15_000: "C"})
    path = tmp_path / "wrapped/genome.fa"
    plain = write_genome(tmp_path / "plain", bases)
    path.parent.mkdir()
    path.write_text(">chr1\n" + "".join(f"{bases[i : i + 60].lower()}\n" for i in range(0, 30_000, 60)))
    path.with_name("genome.fa.fai").write_text("chr1\t30000\t6\t60\t61\n")
    path.with_suffix(".json").write_text('{"build": "toy"}')
    settings = toy_settings(cases=20, controls=20)
    simulate_cohort(settings, plain, motifs, tmp_path / "a")
    simulate_cohort(settings, Genome(path), motifs, tmp_path / "b")
    assert (tmp_path / "a/cohort.vcf.gz").read_bytes() == (tmp_path / "b/cohort.vcf.gz").read_bytes()
