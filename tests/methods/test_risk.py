"""Simple models of disease risk, against counts made by hand and scikit-learn."""

import numpy as np
import pytest
from people_inputs import LENGTH, RISK, make_set, write_cohort

from genebert.evaluation.examples import SPLITS
from genebert.evaluation.kinds.person import PersonStatus
from genebert.evaluation.kinds.registry import kind_of
from genebert.genome.fasta import Genome
from genebert.methods.base import Unavailable
from genebert.methods.registry import baselines, find_method, load_classifier
from genebert.motifs.jaspar import Motif, jaspar_text

NAMES = ["one-snp", "listed-snps", "common-variants", "polygenic", "sex", "disrupted-motifs"]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Folder, card, splits by name, and files of methods."""
    folder = tmp_path_factory.mktemp("cohort")
    files = write_cohort(folder, n=90)
    card = make_set(folder, files)
    genome = Genome(folder / "genome.fa")
    kind = kind_of(card, "card")
    splits = kind.read({name: folder / "set" / f"{name}.parquet" for name in SPLITS}, genome, files)
    # The factor's word is where the risk variant lies, so that its alternative takes it away.
    word = genome.codes("chr1", RISK - 4, RISK + 5)
    counts = np.full((4, 9), 1.0)
    counts[word, np.arange(9)] = 97
    (folder / "jaspar.txt").write_text(jaspar_text([Motif("MA0001.1", "FACTOR", counts)]))
    return folder, card, splits, files | {"jaspar": folder / "jaspar.txt"}


def make(cohort, name, card=None, **options):
    _, known, _, files = cohort
    return find_method(name)(PersonStatus(known), options, files, card or known)


def options_of(name):
    return {"factors": ["factor"]} if name == "disrupted-motifs" else {}


def test_all_are_there():
    assert baselines("person") == NAMES
    assert not set(NAMES) & set(baselines("two-class"))


@pytest.mark.parametrize("name", NAMES)
def test_what_they_find_and_that_they_come_back(cohort, tmp_path, name):
    _, _, splits, _ = cohort
    fitted = make(cohort, name, **options_of(name)).fit(splits["train"], splits["valid"], 0)
    scores = fitted.score(splits["test"])
    auc = fitted.kind.select(splits["test"], scores)
    assert (auc > 0.9) if name != "sex" else (0.2 < auc < 0.8)
    fitted.save(tmp_path / "kept")
    np.testing.assert_array_equal(load_classifier(tmp_path / "kept").score(splits["test"]), scores)
    again = make(cohort, name, **options_of(name)).fit(splits["train"], splits["valid"], 1)
    np.testing.assert_array_equal(again.score(splits["test"]), scores)  # the seed changes nothing
    assert b"Patient" not in b"".join(path.read_bytes() for path in (tmp_path / "kept").iterdir())


def test_one_snp_is_a_logistic_regression_on_the_number_of_alternatives(cohort):
    from sklearn.linear_model import LogisticRegression

    _, _, splits, _ = cohort
    fitted = make(cohort, "one-snp").fit(splits["train"], splits["valid"], 0)
    genotypes = splits["train"].cohort.genotypes
    row = genotypes.sites.index[genotypes.sites["start"] == RISK][0]
    dosage = {name: genotypes.calls[row].sum(axis=1)[part.rows] for name, part in splits.items()}
    mean, sd = dosage["train"].mean(), dosage["train"].std()
    penalty = fitted.record["settings"]["chosen_inverse_penalty"]
    model = LogisticRegression(C=penalty).fit((dosage["train"][:, None] - mean) / sd, splits["train"].labels)
    expected = model.predict_proba((dosage["test"][:, None] - mean) / sd)[:, 1]
    np.testing.assert_allclose(fitted.score(splits["test"]), expected, atol=1e-4)


def test_unknown_alleles_count_as_the_mean_of_the_training_people(cohort):
    from dataclasses import replace

    _, _, splits, _ = cohort
    train = splits["train"]
    calls = train.cohort.genotypes.calls.copy()
    row = int(np.flatnonzero(train.cohort.genotypes.sites["start"] == RISK)[0])
    calls[row, train.rows[0]] = -1
    calls[row, train.rows[1], 1] = -1
    known = replace(
        train, cohort=replace(train.cohort, genotypes=replace(train.cohort.genotypes, calls=calls), _made={})
    )
    dosages = known.cohort.dosages
    assert np.isnan(dosages[train.rows[0], row])
    assert dosages[train.rows[1], row] == 2 * calls[row, train.rows[1], 0]
    fitted = make(cohort, "one-snp").fit(known, splits["valid"], 0)
    mean = np.nanmean(dosages[known.rows, row])
    assert fitted.classifier[0].statistics_[0] == pytest.approx(mean)


def test_polygenic_takes_either_allele_and_leaves_out_what_is_not_there(cohort, tmp_path):
    _, card, splits, files = cohort
    text = files["effects"].read_text().splitlines()
    chrom, position, effect, ref, weight = text[1].split("\t")
    turned = f"{chrom}\t{position}\t{ref}\t{effect}\t-{weight}"
    gone = f"{chrom}\t{LENGTH - 5}\tA\tG\t100"
    scores = []
    for lines in ([text[1]], [turned], [text[1], gone]):
        (tmp_path / "effects.tsv").write_text("\n".join([text[0], *lines]) + "\n")
        method = find_method("polygenic")(PersonStatus(card), {}, files | {"effects": tmp_path / "effects.tsv"}, card)
        fitted = method.fit(splits["train"], splits["valid"], 0)
        scores.append(fitted.score(splits["test"]))
    np.testing.assert_allclose(scores[1], scores[0], atol=1e-6)
    np.testing.assert_array_equal(scores[2], scores[0])


def test_common_variants_are_those_of_the_training_people(cohort):
    _, _, splits, _ = cohort
    method = make(cohort, "common-variants", frequency=0.3)
    chosen = method.choose(splits["train"])
    frequency = splits["train"].cohort.dosages[splits["train"].rows].mean(axis=0) / 2
    starts = splits["train"].cohort.genotypes.sites["start"][np.minimum(frequency, 1 - frequency) >= 0.3]
    assert chosen["start"].tolist() == starts.tolist() and 0 < len(chosen) < len(frequency)


def test_the_motif_of_the_disrupted_factor_falls_with_every_alternative(cohort):
    _, _, splits, _ = cohort
    method = make(cohort, "disrupted-motifs", factors=["factor"])
    train = splits["train"]
    found = method.features(train, method.choose(train))[:, 0]
    row = int(np.flatnonzero(train.cohort.genotypes.sites["start"] == RISK)[0])
    dosage = train.cohort.dosages[train.rows, row]
    means = [found[dosage == value].mean() for value in (0, 1, 2) if (dosage == value).any()]
    assert means == sorted(means, reverse=True) and len(set(means)) == len(means)


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("one-snp", {"cohort": {"snps": []}}, "lists no SNPs"),
        ("listed-snps", {"cohort": {"snps_found": {}}}, "the VCF has no risk"),
        ("sex", {"cohort": {"sex_known": 0}}, "the sex of nobody is known"),
        ("disrupted-motifs", {}, "no matrix of SOX10, GATA2, RARB"),
    ],
)
def test_what_cannot_be_had(cohort, name, change, reason):
    _, card, _, _ = cohort
    with pytest.raises(Unavailable, match=reason):
        make(cohort, name, card | {key: card[key] | value for key, value in change.items()})


def test_polygenic_without_effects_cannot_be_had(cohort):
    _, card, _, files = cohort
    with pytest.raises(Unavailable, match="no file of effect sizes"):
        find_method("polygenic")(PersonStatus(card), {}, {"vcf": files["vcf"]}, card)
