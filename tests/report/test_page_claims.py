"""The paper's claims as comparisons of rows of its tables."""

import pytest
from page_inputs import ROOT

from genebert.report.page.claims import claims_of
from genebert.report.tables.paper import read_paper

PAPERS = {number: read_paper(ROOT / f"config/paper/table{number}.tsv") for number in range(1, 9)}
CLAIMS = {claim.name: claim for claim in claims_of(PAPERS)}


def pairs(name):
    return [(pair.ours, pair.other) for pair in CLAIMS[name].pairs]


def test_the_headline_claim_has_the_papers_numbers():
    (pair,) = CLAIMS["promoters"].pairs
    assert (pair.dataset, pair.ours, pair.other) == ("promoter/prom-core", "genebert", "dnabert")
    assert (pair.paper_ours, pair.paper_other) == (0.894, 0.693)
    assert pair.gain == pytest.approx(0.201)


def test_every_data_set_and_context_is_compared():
    assert len(pairs("binding")) == 9 and len({pair.dataset for pair in CLAIMS["binding"].pairs}) == 9
    assert pairs("disease") == [("genebert", "dnabert"), ("genebert-frozen", "dnabert-frozen")]
    # 256 bases are GeneBERT's alone in the paper; what others report of SpliceAI is no claim of the paper.
    assert pairs("splicing-cnn") == [
        ("genebert-80nt", "spliceai-80"), ("genebert-400nt", "spliceai-400"), ("genebert-2k", "spliceai-2k"),
    ]  # fmt: skip
    assert [pair.gain for pair in CLAIMS["splicing-cnn"].pairs] == pytest.approx([0.29, 0.03, 0.02])


def test_where_the_paper_has_no_number_there_is_none():
    assert pairs("splicing-dnabert")[0] == ("genebert-80nt", "dnabert-80nt")
    assert all(pair.gain is None and pair.paper_ours for pair in CLAIMS["splicing-dnabert"].pairs)


def test_trends_are_steps():
    assert pairs("losses") == [
        ("mgm", "no-losses"), ("mgm-ngsp", "mgm"), ("mgm-ngsp-srm", "mgm-ngsp"),
    ]  # fmt: skip
    assert pairs("batch")[0] == ("batch-32", "batch-16") and len(pairs("batch")) == 5
    encoders = pairs("encoders")
    assert ("vit-l-384", "vit-b-384") in encoders and ("swin-b-384", "swin-b-224") in encoders
    assert len(encoders) == 7  # 11 encoders of 4 families
    assert {ours for ours, _ in pairs("lambda")} == {"lambda-0.5"} and len(pairs("lambda")) == 5


def test_a_trend_that_the_papers_own_numbers_contradict_is_shown_as_it_is():
    (vit,) = [pair for pair in CLAIMS["encoders"].pairs if pair.ours == "vit-l-384"]
    assert vit.gain == pytest.approx(-0.002)


def test_only_the_tables_that_are_given_make_claims():
    assert [claim.table for claim in claims_of({6: PAPERS[6], 3: PAPERS[3]})] == [3]
    assert [claim.table for claim in CLAIMS.values()] == [1, 2, 3, 4, 4, 5, 7, 8, 8]
