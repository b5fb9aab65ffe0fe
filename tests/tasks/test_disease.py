"""The disease task: people in folds, families together, and every file that is not what it should be."""

import gzip
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from people_inputs import SECRET, bases, make_set, other, write_cohort
from variant_inputs import line, write_vcf

from genebert.errors import InputError
from genebert.evaluation.examples import SPLITS
from genebert.evaluation.people import read_cohort
from genebert.genome.fasta import Genome
from genebert.settings.people import PeopleSettings
from genebert.tasks.disease import assign_folds, components


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    return folder, write_cohort(folder)


@pytest.fixture
def own(cohort, tmp_path):
    """A copy of the cohort that a test may damage."""
    folder = tmp_path / "own"
    shutil.copytree(cohort[0], folder, ignore=shutil.ignore_patterns("set"))
    return folder, {name: folder / path.name for name, path in cohort[1].items()}


def test_every_person_is_in_one_fold(cohort):
    folder, _ = cohort
    card = make_set(*cohort)
    parts = [pd.read_parquet(folder / "set" / f"{split}.parquet") for split in SPLITS]
    everyone = pd.concat(parts)
    assert sorted(everyone["person"]) == list(range(60)) and list(everyone) == ["person", "fold"]
    assert [sorted(set(part["fold"])) for part in parts] == [[2], [1], [0]]
    assert card["cohort"]["cases"] == card["cohort"]["controls"] == 30
    assert card["cases_in_folds"] == card["controls_in_folds"] == [10, 10, 10]
    assert card["cohort"]["windows"] == 3 and card["cohort"]["windows_all_alike"] == 1
    assert card["related"] == {"places": 1, "estimated": False}
    assert card["kind"] == "person" and not card["cohort"]["simulated"]


def test_frequencies_of_listed_variants(cohort):
    found = make_set(*cohort)["cohort"]["snps_found"]["risk"]
    assert found["cases"] > 0.85 and found["controls"] < 0.15


def test_equal_settings_give_equal_files(cohort, tmp_path):
    folder, files = cohort
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_set(folder, files, tmp_path / name, seed=seed)
    bytes_of = {
        name: [(tmp_path / name / f"{split}.parquet").read_bytes() for split in SPLITS] for name in ("a", "b", "c")
    }
    assert bytes_of["a"] == bytes_of["b"] != bytes_of["c"]


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 40)), min_size=30, max_size=120), st.integers(3, 6),
    st.integers(0, 5),
)  # fmt: skip
def test_groups_stay_together_and_folds_are_even(people, folds, seed):
    status, group = np.array(people).T
    fold = assign_folds(status, group, folds, seed)
    assert set(fold) <= set(range(folds))
    assert pd.DataFrame({"group": group, "fold": fold}).groupby("group")["fold"].nunique().max() == 1
    # No fold has more than its share of either, but for about the largest group.
    largest = np.bincount(group).max()
    for one in (0, 1):
        counts = np.bincount(fold[status == one], minlength=folds)
        assert counts.max() - counts.min() <= 2 * largest + 1


def test_chains_of_pairs_are_one_group():
    found = components(6, [(0, 1), (1, 4), (5, 3)])
    assert found[0] == found[1] == found[4] and found[3] == found[5] and len(set(found)) == 3


def test_families_of_the_table_stay_together(own):
    folder, files = own
    lines = files["phenotypes"].read_text().splitlines()
    lines = [f"{lines[0]}\tfamily", *(f"{text}\t{'same' if i < 7 else 'NA'}" for i, text in enumerate(lines[1:]))]
    files["phenotypes"].write_text("\n".join(lines) + "\n")
    card = make_set(folder, files, family="family")
    everyone = pd.concat([pd.read_parquet(folder / "set" / f"{split}.parquet") for split in SPLITS])
    assert everyone[everyone["person"] < 7]["fold"].nunique() == 1
    assert (card["families"], card["people_in_families"]) == (1, 7)


def test_relatives_are_told_by_genotypes_all_over_the_genome(tmp_path, monkeypatch):
    """One person twice, in families that the table does not know."""
    folder = tmp_path / "cohort"
    files = write_cohort(folder)
    text = gzip.decompress(files["vcf"].read_bytes()).decode().splitlines()
    records = [one.split("\t") for one in text if not one.startswith("##")]
    records = [[*one[:-1], one[-2]] if number else one for number, one in enumerate(records)]  # the last two are equal
    write_vcf(files["vcf"], ["\t".join(one) + "\n" for one in records[1:]], samples=records[0][9:])
    monkeypatch.setattr("genebert.tasks.disease.RELATED_BP", 100)
    monkeypatch.setattr("genebert.tasks.disease.RELATED_WINDOW", 99)
    monkeypatch.setattr("genebert.tasks.disease.RELATED_SITES", 10)
    # At so few places strangers look like brothers.
    monkeypatch.setattr("genebert.genome.kinship.DEGREES", {"duplicates": 0.49})
    card = make_set(folder, files)
    assert card["related"]["estimated"] and card["related"]["pairs"]["duplicates"] >= 1
    everyone = pd.concat([pd.read_parquet(folder / "set" / f"{split}.parquet") for split in SPLITS])
    assert everyone[everyone["person"] >= 58]["fold"].nunique() == 1


def test_people_without_line_genotypes_or_status_are_left_out_and_counted(own, caplog):
    folder, files = own
    lines = files["phenotypes"].read_text().splitlines()
    lines[1] = lines[1].replace("\t1\t", "\tNA\t").replace("\t0\t", "\tNA\t")
    del lines[3]
    lines.append("somebody-else\t1\tF")
    files["phenotypes"].write_text("\n".join(lines) + "\n")
    card = make_set(folder, files)
    assert card["left_out"] == {
        "effects": 1, "effects_with_the_genomes_allele": 1, "in_table": 60, "in_vcf": 60, "without_line": 1,
        "without_genotypes": 1, "without_status": 1,
    }  # fmt: skip
    assert card["cohort"]["people"] == 58
    assert SECRET.format(0)[:12] not in caplog.text and "somebody-else" not in caplog.text


def change(old: str, new: str, count: int = -1):
    return lambda text: text.replace(old, new, count)


@pytest.mark.parametrize(
    ("file", "edit", "message"),
    [
        (
            "phenotypes",
            lambda text: text.replace("\t1\t", "\tcase\t"),
            "status is something else, expected 1 or 0, or NA",
        ),
        (
            "phenotypes",
            lambda text: text.replace("\t1\t", "\t2\t").replace("\t0\t", "\t1\t"),
            "status is something else",
        ),
        ("phenotypes", lambda text: text.replace("\tM\n", "\tmale\n"), "sex is something else, expected M or F, or NA"),
        ("phenotypes", lambda text: text.replace("\t0\t", "\t1\t"), "60 are cases; expected cases and controls"),
        ("phenotypes", lambda text: text.replace("Patient", "Other"), "none of the 60 names in column sample_id"),
        ("phenotypes", lambda text: text + text.splitlines()[1] + "\n", "1 of 61 lines repeat a name"),
        ("phenotypes", lambda text: text.splitlines()[0] + "\n", "found a header but no person"),
        ("phenotypes", lambda text: text.replace("status", "affected", 1), "the column status is missing"),
        ("regions", lambda _: "chr1\t2500\t2600\n", "nobody differs from anybody in any of the 1 regions"),
        ("regions", lambda _: "chr9\t2500\t2600\n", "found chr9, expected places on the run's chromosomes, chr1"),
        ("regions", lambda _: "chr1\t2500\t9000\n", "chr1"),
        ("effects", lambda text: text.replace("1.5", "much"), "effect_weight is 'much', expected a number"),
        ("effects", lambda text: text.replace("1001", "-5"), "chr_position is '-5', expected a position, from 1"),
        ("effects", lambda text: text.replace("\t1.5", "\t1.5").replace("effect_allele", "allele"), "effect_allele"),
    ],
)
def test_bad_tables(own, file, edit, message):
    folder, files = own
    files[file].write_text(edit(files[file].read_text()))
    with pytest.raises(InputError) as error:
        make_set(folder, files)
    assert message in str(error.value) and str(files[file]) in str(error.value)
    assert SECRET[:8] not in str(error.value).replace(str(folder), "")
    assert not list((folder / "set").iterdir())


def test_too_few_people_for_the_folds(tmp_path):
    files = write_cohort(tmp_path / "few", n=12)
    with pytest.raises(InputError, match="6 cases and 6 controls make folds of 1 cases and 1 controls at least"):
        make_set(tmp_path / "few", files, folds=5)


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda path: path.with_name(f"{path.name}.tbi").unlink(), "found no index beside it"),
        (lambda path: path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()))), "gzip without blocks"),
        (lambda path: path.write_text("<html>"), "cannot be read"),
    ],
)
def test_bad_vcf(own, break_it, message):
    folder, files = own
    break_it(files["vcf"])
    with pytest.raises(InputError, match=message) as error:
        make_set(folder, files)
    assert str(files["vcf"]) in str(error.value) and not list((folder / "set").iterdir())


def test_unphased_genotypes_are_refused_until_they_are_allowed(tmp_path):
    files = write_cohort(tmp_path / "unphased", separator="/")
    with pytest.raises(InputError, match=r"are not phased.*unphased: first"):
        make_set(tmp_path / "unphased", files)
    card = make_set(tmp_path / "unphased", files, variants={"unphased": "first"})
    assert card["genotypes"]["unphased_heterozygous"] > 0


def test_a_window_that_a_deletion_takes_away(own):
    folder, files = own
    text = gzip.decompress(files["vcf"].read_bytes()).decode().splitlines()
    samples = text[[one.startswith("#CHROM") for one in text].index(True)].split("\t")[9:]
    sequence = "".join((folder / "genome.fa").read_text().splitlines()[1:])
    deletion = line(2490, sequence[2490:2620], sequence[2490], *["0|1", *["0|0"] * 59])
    records = [one + "\n" for one in text if not one.startswith("#")]
    write_vcf(files["vcf"], [*records, deletion], samples=samples)
    with pytest.raises(InputError, match="a deletion of 129 bases, expected windows longer than any deletion"):
        make_set(folder, files)


def test_listed_variants_that_the_file_lacks_are_not_found(cohort):
    here = bases()[1001]
    card = make_set(*cohort, snps={"gone": f"1:1002:{here}:{other(here)}"})
    assert card["cohort"]["snps_found"] == {}


def test_listed_variants_are_those_of_the_file_of_effects(cohort):
    by_place = make_set(*cohort)["cohort"]
    by_file = make_set(*cohort, snps="effects")["cohort"]
    assert by_place["snps"] == ["risk"] and by_file["snps"] == ["1:1001"]
    assert by_file["snps_found"]["1:1001"] == by_place["snps_found"]["risk"]


@pytest.mark.parametrize(
    ("edit", "settings"),
    [
        (lambda text: text.split("\n", 1)[1], {}),  # without its header
        (lambda text: text, {"status": "sample_id", "sample": "status", "sex": None}),
        (lambda text: text, {"sex": "sample_id", "sample": "sex"}),
    ],
)
def test_no_message_names_a_person(own, edit, settings):
    folder, files = own
    files["phenotypes"].write_text(edit(files["phenotypes"].read_text()))
    with pytest.raises(InputError) as error:
        make_set(folder, files, **settings)
    assert "Patient" not in str(error.value) and "line" in str(error.value)


def test_listed_variants_are_normalised_and_are_those_of_the_genome(own):
    """A deletion as the VCF writes it, and one with alleles turned round."""
    folder, files = own
    text = gzip.decompress(files["vcf"].read_bytes()).decode().splitlines()
    samples = text[[one.startswith("#CHROM") for one in text].index(True)].split("\t")[9:]
    sequence = bases()
    records = [one + "\n" for one in text if not one.startswith("#")]
    calls = ["0|1", *["0|0"] * 59]
    at = 1950
    records.append(line(at, sequence[at : at + 4], sequence[at], *calls))
    records.sort(key=lambda one: int(one.split("\t")[1]))
    write_vcf(files["vcf"], records, samples=samples)
    ref = sequence[at : at + 4]
    card = make_set(folder, files, snps={"gone": f"1:{at + 1}:{ref}:{ref[0]}"})
    assert card["cohort"]["snps_found"]["gone"]["cases"] is not None
    shutil.rmtree(folder / "set")
    here = sequence[1000]
    with pytest.raises(InputError, match=r"tasks.disease.snps.turned.*expected REF as the genome has it"):
        make_set(folder, files, snps={"turned": f"1:1001:{other(here)}:{here}"})


@pytest.mark.parametrize("with_effect", ["longer", "shorter"])
def test_an_effect_of_a_deletion_is_read_as_the_vcf_has_it(own, with_effect):
    """The genome has the first base of its own bases too, so the file of effects does not say which is REF."""
    folder, files = own
    text = gzip.decompress(files["vcf"].read_bytes()).decode().splitlines()
    samples = text[[one.startswith("#CHROM") for one in text].index(True)].split("\t")[9:]
    at = 1950
    longer, shorter = bases()[at : at + 4], bases()[at]
    records = [one + "\n" for one in text if not one.startswith("#")]
    records.append(line(at, longer, shorter, "0|1", *["0|0"] * 59))
    write_vcf(files["vcf"], sorted(records, key=lambda one: int(one.split("\t")[1])), samples=samples)
    alleles = (longer, shorter) if with_effect == "longer" else (shorter, longer)
    head = files["effects"].read_text().splitlines()[0]
    files["effects"].write_text("\n".join((head, "\t".join(("1", str(at + 1), *alleles, "1")))) + "\n")
    people = read_cohort(files, PeopleSettings(snps="effects"), Genome(folder / "genome.fa"))
    (effect,) = people.effects.itertuples()
    assert effect.turned == (with_effect == "longer") and people.rows_of(people.effects)[0] >= 0


def test_effects_under_one_name_of_another_build_and_twice(own):
    folder, files = own
    text = files["effects"].read_text()
    head, row = text.splitlines()
    chrom, position, effect, ref, _ = row.split("\t")
    third = next(base for base in "ACGT" if base not in (effect, ref))
    named = f"rsID\t{head}\nrs1\t{row}\nrs1\t{chrom}\t{position}\t{third}\t{ref}\t0.5\n"
    files["effects"].write_text(named)
    card = make_set(folder, files, snps="effects")
    assert len(set(card["cohort"]["snps"])) == 2 and len(card["cohort"]["snps_found"]) == 1
    shutil.rmtree(folder / "set")
    files["effects"].write_text(f"{head}\n{row}\n{row}\n")
    with pytest.raises(InputError, match="a variant that comes again"):
        make_set(folder, files)
    elsewhere = f"{head}\n{row}\n9\t5\tA\tG\t1\n{chrom}\t5\t{'AC' if bases()[4] not in 'AC' else 'GT'[0]}\tN\t1\n"
    files["effects"].write_text(elsewhere.replace("\tN\t", "\tTTTT\t"))
    assert make_set(folder, files)["left_out"]["effects"] == 3


def test_a_variant_of_which_nothing_is_known_among_cases(own):
    folder, files = own
    text = gzip.decompress(files["vcf"].read_bytes()).decode().splitlines()
    samples = text[[one.startswith("#CHROM") for one in text].index(True)].split("\t")[9:]
    status = dict(one.split("\t")[:2] for one in files["phenotypes"].read_text().splitlines()[1:])
    records = [one.split("\t") for one in text if not one.startswith("#")]
    for one in records:
        if one[1] == "1001":
            one[9:] = [".|." if status[name] == "1" else call for name, call in zip(samples, one[9:], strict=True)]
    write_vcf(files["vcf"], ["\t".join(one) + "\n" for one in records], samples=samples)
    card = make_set(folder, files, variants={"max_missing": 1.0})
    assert card["cohort"]["snps_found"]["risk"]["cases"] is None


def test_families_as_plink_says_that_there_are_none(own):
    folder, files = own
    lines = files["phenotypes"].read_text().splitlines()
    table = [f"{lines[0]}\tfamily", *(f"{text}\t{'0.'[i % 2]}" for i, text in enumerate(lines[1:]))]
    files["phenotypes"].write_text("\n".join(table) + "\n")
    assert make_set(folder, files, family="family")["families"] == 0
    shutil.rmtree(folder / "set")
    files["phenotypes"].write_text("\n".join([table[0], *(f"{text}\tone" for text in lines[1:])]) + "\n")
    with pytest.raises(InputError, match="largest family or group of relatives has 60 of the 60 people"):
        make_set(folder, files, family="family")


def test_the_card_holds_counts_alone(cohort):
    folder, _ = cohort
    make_set(*cohort)
    text = json.dumps(json.loads((folder / "set" / "card.json").read_text()))
    assert "Patient" not in text
