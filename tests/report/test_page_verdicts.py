"""The rule by which a claim holds, on constructed scores."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_inputs import PROMOTER, predictions, write_fit
from scipy import stats
from table_inputs import unavailable

from genebert.errors import InputError
from genebert.evaluation.intervals import error_over_pretrainings, interval_of_mean, with_all_errors
from genebert.evaluation.metrics import bootstrap_auc, paired_auc_interval
from genebert.report.page.claims import Claim, Pair
from genebert.report.page.fits import Fits, read_fits
from genebert.report.page.intervals import interval_over_seeds
from genebert.report.page.summary import ends, line_of
from genebert.report.page.verdicts import (
    ABSENT,
    FAILS,
    HOLDS,
    OPEN,
    Judged,
    best_of,
    claim_verdict,
    judge,
    measure,
    verdict_of,
    within_reach,
)
from genebert.report.tables.kinds.base import with_own_values
from genebert.report.tables.kinds.person import PERSON
from genebert.report.tables.kinds.two_class import TWO_CLASS

PLACE = ("metrics", "roc_auc")
PAIR = Pair(PROMOTER, "genebert", "dnabert", "prom-core", 0.894, 0.693)


def fits_of(folder, shifts, seeds=range(5), n=400, **changes):
    """Return fits of models that set the classes so far apart."""
    return read_fits(
        write_fit(folder, model, seed, predictions(shift, seed, n), deterministic=False, **changes)
        for model, shift in shifts.items()
        for seed in seeds
    )


def measured(folder, shifts, pair=PAIR, **more):
    return measure(pair, fits_of(folder, shifts, **more), TWO_CLASS, PLACE)


def test_a_clear_gain_holds(tmp_path):
    one = measured(tmp_path, {"genebert": 2.0, "dnabert": 0.5})
    assert one.verdict == HOLDS and one.seeds == (0, 1, 2, 3, 4)
    assert one.why == "the whole interval lies above 0"
    assert one.difference == pytest.approx(one.ours[0] - one.other[0])
    for side, end in enumerate(one.interval):
        reaches = [abs(part[side] - one.difference) for part in (one.over_seeds, one.over_examples)]
        errors = reaches[0] / stats.t.ppf(0.975, 4), reaches[1] / stats.norm.ppf(0.975)
        freedom = 4 * (errors[0] ** 2 + errors[1] ** 2) ** 2 / errors[0] ** 4
        assert abs(end - one.difference) == pytest.approx(stats.t.ppf(0.975, freedom) * np.hypot(*errors))


def test_a_clear_loss_does_not_hold(tmp_path):
    one = measured(tmp_path, {"genebert": 0.5, "dnabert": 2.0})
    assert one.verdict == FAILS and one.interval[1] < 0
    assert one.why == "the whole interval lies below 0"


def test_no_difference_within_a_narrow_interval_does_not_hold(tmp_path):
    """The same models: a gain as the paper's would be seen."""
    one = measured(tmp_path, {"genebert": 1.5, "dnabert": 1.5})
    assert one.interval[0] <= 0 <= one.interval[1] < PAIR.gain / 2
    assert one.verdict == FAILS and "ends below half of the paper's gain of +0.201" in one.why
    # Without a number of the paper nothing says how large a gain would be.
    silent = Pair(PROMOTER, "genebert", "dnabert", "prom-core")
    assert measured(tmp_path, {"genebert": 1.5, "dnabert": 1.5}, silent).verdict == OPEN


def test_a_gain_that_is_out_of_reach_is_not_asked_for():
    """From an AUC of 0.95 nothing gains the paper's 0.672: half of the 0.05 that are left decides."""
    left = within_reach(0.672, 0.95)
    assert left == pytest.approx(0.05)
    assert verdict_of((-0.01, 0.03), 0.672) == FAILS and verdict_of((-0.01, 0.03), left) == OPEN
    assert verdict_of((-0.01, 0.02), left) == FAILS
    assert within_reach(0.2, 0.7) == 0.2  # what is in reach stays as it is
    assert within_reach(None, 0.7) is None and within_reach(-0.1, 0.7) == -0.1


def test_the_reason_says_how_much_of_the_papers_gain_is_left(tmp_path):
    far = Pair(PROMOTER, "genebert", "dnabert", "prom-core", 0.693, 0.021)
    one = measured(tmp_path, {"genebert": 1.5, "dnabert": 1.5}, far)
    assert one.verdict == FAILS
    left = 1 - one.other[0]
    assert one.why.endswith(f"half of the paper's gain of +0.672, of which at most +{left:.3f} is left here")


def test_two_names_of_one_fit_are_no_comparison(tmp_path):
    paths = [write_fit(tmp_path, "dnabert", seed, predictions(1.0, seed)) for seed in range(3)]
    fits = read_fits(paths, {PROMOTER: {"genebert": ["dnabert"]}})
    one = measure(PAIR, fits, TWO_CLASS, PLACE)
    assert (one.verdict, one.why, one.difference) == (ABSENT, "one model under both names", None)
    line = line_of(judge(Claim("promoters", 1, "It is better", (PAIR,)), fits, TWO_CLASS, "auc", []))
    assert line.verdict == ABSENT and line.why == "one model under both names"
    assert line.details[0][1] == "the same model"


def several(folder, means, seeds=range(3)):
    """Return fits of models of which each was pre-trained with some seeds: model -> seed -> shift of its classes."""
    paths = [
        write_fit(
            folder, model if before == 42 else f"{model}@{before}", seed, predictions(shift, seed, 400),
            deterministic=False, model_record={"seed": before},
        )
        for model, shifts in means.items() for before, shift in shifts.items() for seed in seeds
    ]  # fmt: skip
    names = {model: [model if seed == 42 else f"{model}@{seed}" for seed in shifts] for model, shifts in means.items()}
    return read_fits(paths, {PROMOTER: names})


def aucs_of(fits, model):
    """Return the AUCs of a model's fits, pre-trainings by seeds."""
    return np.array(list(fits[PROMOTER, model].by_pretraining(PLACE).values()))


def test_several_pretrainings_are_an_interval_of_their_own(tmp_path):
    """Fits of one pre-training are alike: it is the three pre-trainings that tell what a fourth would give."""
    fits = several(tmp_path, {"genebert": {42: 2.0, 43: 1.0, 44: 0.4}, "dnabert": {42: 0.9}})
    assert set(fits) == {(PROMOTER, "genebert"), (PROMOTER, "dnabert")}
    one = measure(PAIR, fits, TWO_CLASS, PLACE)
    assert one.seeds == (0, 1, 2) and one.pretrainings == 3
    aucs, (other,) = aucs_of(fits, "genebert"), aucs_of(fits, "dnabert")
    groups = aucs.mean(axis=1) - other.mean()
    half = stats.t.ppf(0.975, 2) * groups.std(ddof=1) / 3**0.5
    assert one.over_pretrainings == pytest.approx((groups.mean() - half, groups.mean() + half))
    assert one.over_seeds == pytest.approx(interval_of_mean((aucs.mean(axis=0) - other).tolist()))
    assert one.ours == pytest.approx((aucs.mean(), aucs.std(ddof=1)))
    assert one.other == pytest.approx((other.mean(), other.std(ddof=1)))
    errors = [(one.over_seeds, 2), (one.over_pretrainings, 2), (one.over_examples, np.inf)]
    assert one.interval == with_all_errors(one.difference, errors) and one.verdict == OPEN
    line = line_of(judge(Claim("promoters", 1, "It is better", (PAIR,)), fits, TWO_CLASS, "auc", []))
    assert "0, 1, 2 of 3 pre-trainings" in line.details[0] and len(line.details[0]) == len(line.heads)


def test_fits_that_no_seed_changes_count_once_for_each_pretraining(tmp_path):
    """A frozen encoder and a sparse probe: copies would make the deviation of three pre-trainings smaller."""
    fit = {"deterministic": True}
    scores = [fit | {"seed": seed, "model_record": {"seed": before}} for before in (42, 43, 44) for seed in range(3)]
    assert with_own_values(scores) == [scores[0], scores[3], scores[6]]
    assert with_own_values(scores[:3]) == scores[:3]
    assert len(with_own_values([score | {"deterministic": False} for score in scores])) == 9


def test_copies_of_a_pretraining_tell_nothing_more(tmp_path):
    """A single fit of each seed on the other side is not seen three times."""
    alone = several(tmp_path / "alone", {"genebert": {42: 1.0}, "dnabert": {42: 0.9}})
    thrice = several(tmp_path / "thrice", {"genebert": {42: 1.0, 43: 1.0, 44: 1.0}, "dnabert": {42: 0.9}})
    one, same = (measure(PAIR, fits, TWO_CLASS, PLACE) for fits in (alone, thrice))
    assert same.over_seeds == pytest.approx(one.over_seeds) and same.interval == pytest.approx(one.interval)
    assert same.difference == pytest.approx(one.difference) and same.verdict == one.verdict


def test_a_single_seed_of_several_pretrainings_tells_nothing(tmp_path):
    fits = several(tmp_path, {"genebert": {42: 2.0, 43: 2.1, 44: 2.2}, "dnabert": {42: 0.1}}, seeds=(0,))
    one = measure(PAIR, fits, TWO_CLASS, PLACE)
    assert one.verdict == OPEN and one.over_seeds is None and one.interval is None


def test_pretrainings_of_both_sides_are_paired_where_they_have_the_same_seeds(tmp_path):
    shifts = {42: 2.0, 43: 1.0, 44: 0.4}
    same = several(
        tmp_path / "same", {"genebert": shifts, "dnabert": {seed: 0.9 * one for seed, one in shifts.items()}}
    )
    groups = [aucs_of(same, model).mean(axis=1) for model in ("genebert", "dnabert")]
    one = measure(PAIR, same, TWO_CLASS, PLACE)
    assert one.over_pretrainings == pytest.approx(interval_of_mean((groups[0] - groups[1]).tolist()))
    # all fits count where the seeds are others: Welch's t
    others = several(tmp_path / "others", {"genebert": shifts, "dnabert": {42: 1.9, 44: 0.3, 45: 3.0}})
    groups = [aucs_of(others, model).mean(axis=1) for model in ("genebert", "dnabert")]
    one = measure(PAIR, others, TWO_CLASS, PLACE)
    expected = stats.ttest_ind(*groups, equal_var=False).confidence_interval(0.95)
    assert one.over_pretrainings == pytest.approx((expected.low, expected.high)) and one.pretrainings == 3
    assert one.difference == pytest.approx(groups[0].mean() - groups[1].mean())


def test_no_more_differences_are_found_than_are_meant():
    """Where there is none, the intervals over seeds and pre-trainings of 3 x 3 fits against 3 hold 0 19 times of 20."""
    rng, found = np.random.default_rng(0), 0
    for _ in range(400):
        before, fits = rng.normal(0, 0.01, 3), {}
        for model, pretrainings in (("genebert", (42, 43, 44)), ("dnabert", (None,))):
            scores = [
                {"seed": seed, "metrics": {"roc_auc": rng.normal(0.9, 0.01) + (one is not None) * before[i]}}
                | ({"model_record": {"seed": one}} if one else {})
                for i, one in enumerate(pretrainings)
                for seed in range(3)
            ]  # fmt: skip
            fits[model] = Fits(tuple(scores), tuple(Path(f"{i}") for i in range(len(scores))))
        seeds = interval_over_seeds(*fits.values(), PLACE)
        pretrainings = error_over_pretrainings(*(side.mean_by_pretraining(PLACE) for side in fits.values()))
        means = [np.mean(side.values(PLACE)) for side in fits.values()]
        assert pretrainings[1] == 2
        low, high = with_all_errors(means[0] - means[1], [(seeds, 2), pretrainings])
        found += not low < 0 < high
    assert found < 0.07 * 400


def test_few_examples_and_seeds_leave_it_open(tmp_path):
    fits = read_fits(
        write_fit(tmp_path, model, seed, predictions(shift, seed + noise, 20), deterministic=False)
        for model, shift, noise in (("genebert", 1.0, 0), ("dnabert", 0.8, 50))
        for seed in (0, 1)
    )
    one = measure(PAIR, fits, TWO_CLASS, PLACE)
    assert one.verdict == OPEN and one.interval[0] < 0 < PAIR.gain < one.interval[1]
    assert one.why == "the interval contains both 0 and the paper's gain of +0.201"


def test_a_single_seed_of_something_random_cannot_tell(tmp_path):
    one = measured(tmp_path, {"genebert": 3.0, "dnabert": 0.1}, seeds=(3,))
    assert one.verdict == OPEN and one.interval is None and one.why == "one seed (3) has no interval"


def test_what_no_seed_changes_is_judged_by_its_examples(tmp_path):
    paths = [
        write_fit(tmp_path, model, 0, predictions(shift, 0, 400), deterministic=True)
        for model, shift in (("genebert", 2.0), ("dnabert", 0.5))
    ]
    one = measure(PAIR, read_fits(paths), TWO_CLASS, PLACE)
    assert one.verdict == HOLDS and one.over_seeds is None and one.interval == one.over_examples


def test_what_was_not_run_or_cannot_be_had_is_absent(tmp_path):
    one = measured(tmp_path, {"genebert": 2.0})
    assert one.verdict == ABSENT and one.missing == "dnabert" and one.why == "no row of this run: dnabert"
    elsewhere = Pair("promoter/other", "genebert", "dnabert", "other")
    one = measured(tmp_path, {"genebert": 2.0}, elsewhere)
    assert (one.verdict, one.why, one.missing) == (ABSENT, "not a data set of this run", "")
    path = tmp_path / "unavailable.json"
    path.write_text(json.dumps(unavailable("dnabert", 0, "the weights need a login")))
    fits = fits_of(tmp_path, {"genebert": 2.0}) | read_fits([path])
    one = measure(PAIR, fits, TWO_CLASS, PLACE)
    assert one.verdict == ABSENT and one.why == "dnabert cannot be had: the weights need a login"


def test_only_seeds_of_both_are_paired(tmp_path):
    fits = fits_of(tmp_path, {"genebert": 2.0}, seeds=(0, 1, 2)) | fits_of(tmp_path, {"dnabert": 0.5}, seeds=(1, 2, 7))
    assert measure(PAIR, fits, TWO_CLASS, PLACE).seeds == (1, 2)
    fits = fits_of(tmp_path, {"genebert": 2.0}, seeds=(0,)) | fits_of(tmp_path, {"dnabert": 0.5}, seeds=(8,))
    assert measure(PAIR, fits, TWO_CLASS, PLACE).verdict == ABSENT


def test_people_have_no_predictions_and_wider_intervals(tmp_path):
    """Both models' own intervals, as if independent; no file of predictions is read."""
    fits = fits_of(tmp_path, {"genebert": 2.0, "dnabert": 0.5}, metrics={"n_folds": 3})
    for path in tmp_path.rglob("*.parquet"):
        path.unlink()
    one = measure(PAIR, fits, PERSON, PLACE)
    low, high = one.over_examples
    assert (low + high) / 2 == pytest.approx(one.difference)
    assert (high - low) / 2 == pytest.approx(np.hypot(0.02, 0.02))  # of each, half of 0.04


def test_other_test_examples_are_refused(tmp_path):
    for model, place in (("genebert", 0), ("dnabert", 1)):
        write_fit(tmp_path, model, 0, predictions(1.0, 0, place=place), deterministic=False)
    fits = read_fits(sorted(tmp_path.rglob("*.json")))
    with pytest.raises(InputError, match=r"labels are not those of .*; expected one test set"):
        measure(PAIR, fits, TWO_CLASS, PLACE)


def test_a_seed_twice_is_refused(tmp_path):
    path = write_fit(tmp_path, "genebert", 0, predictions(1.0, 0))
    again = path.with_name("seed0-again.json")
    again.write_text(path.read_text())
    with pytest.raises(InputError, match="seed 0 as in"):
        read_fits([path, again])


def test_a_paired_interval_is_narrower_and_nothing_for_the_same_scores():
    label = np.arange(300) % 2
    rng = np.random.default_rng(0)
    shared = rng.normal(size=300) + label
    ours, other = shared + 0.1 * rng.normal(size=300), shared + 0.1 * rng.normal(size=300)
    low, high = paired_auc_interval(label, [ours], [other])
    alone = bootstrap_auc(label, ours)
    assert 0 < high - low < (alone[1] - alone[0]) / 2
    assert paired_auc_interval(label, [ours, other], [ours, other]) == (0.0, 0.0)


@given(st.floats(-0.5, 0.5), st.floats(0, 0.5), st.floats(0.001, 0.6))
def test_the_rule_is_what_it_says(middle, half, gain):
    low, high = middle - half, middle + half
    verdict = verdict_of((low, high), gain)
    assert (verdict == HOLDS) == (low > 0)
    assert (verdict == FAILS) == (low <= 0 and (high < 0 or high < gain / 2))
    assert verdict_of((low, high), None) == (HOLDS if low > 0 else FAILS if high < 0 else OPEN)
    assert verdict_of(None, gain) == OPEN


def of(*verdicts):
    from genebert.report.page.verdicts import Measured

    return [Measured(PAIR, verdict, "", difference=0.0) for verdict in verdicts]


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((HOLDS, HOLDS), HOLDS),
        ((HOLDS, ABSENT), HOLDS),
        ((HOLDS, OPEN), OPEN),
        ((HOLDS, OPEN, FAILS), FAILS),
        ((ABSENT, ABSENT), ABSENT),
        ((), ABSENT),
    ],
)
def test_a_claim_is_no_better_than_its_comparisons(verdicts, expected):
    assert claim_verdict(of(*verdicts)) == expected


def test_the_best_baseline_is_chosen_without_the_test_set(tmp_path):
    a = write_fit(tmp_path, "a", 0, predictions(2.0, 0))
    b = write_fit(tmp_path, "b", 0, predictions(1.0, 0))
    for path, valid in ((a, 0.6), (b, 0.8)):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"validation": {"roc_auc": valid}}))
    fits = read_fits([a, b])
    found = best_of(PROMOTER, fits, ["a", "b"], PLACE)
    assert found["model"] == "b" and found["mean"] == json.loads(b.read_text())["metrics"]["roc_auc"]
    assert best_of(PROMOTER, fits, ["c"], PLACE) is None and best_of("promoter/other", fits, ["a"], PLACE) is None


def test_a_line_says_what_is_missing(tmp_path):
    other = Pair("promoter/other", "genebert", "dnabert", "other", 0.9, 0.8)
    claim = Claim("promoters", 1, "It is better", (PAIR, other))
    fits = fits_of(tmp_path, {"genebert": 2.0, "dnabert": 0.5, "kmer-logreg": 1.0})
    line = line_of(judge(claim, fits, TWO_CLASS, "auc", ["kmer-logreg"]))
    assert line.verdict == HOLDS and line.why.startswith("of 2 comparisons 1 holds, 1 is not part of this run; ")
    assert "in 1 of 2 comparisons" in line.found and "seeds 0, 1, 2, 3, 4" in line.found
    assert line.simple.startswith("kmer-logreg 0.7") and len(line.details) == 2
    assert line.said == "holds in this run"
    assert line.paper == "AUC +0.100 to +0.201 in 2 comparisons"


def test_all_comparisons_are_counted_whatever_decides():
    """A claim that fails by one comparison says what the others say too."""
    several = (HOLDS, FAILS, OPEN, ABSENT, ABSENT)
    line = line_of(
        Judged(Claim("a", 2, "It is better", ()), "AUC", tuple(of(*several)), claim_verdict(of(*several)), {})
    )
    assert line.said == "does not hold in this run"
    counts = "of 5 comparisons 1 holds, 1 does not hold, 1 cannot be told, 2 are not part of this run"
    assert line.why.startswith(counts)


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (None, "-"),
        ((0.0123, 0.2), "+0.012 to +0.200"),
        ((-0.2, -0.00032), "-0.200 to -0.0003"),  # below 0, which "0.000" would hide
        ((0.00004, 0.5), "+4e-05 to +0.500"),
        ((0.0, 0.001), "0.000 to +0.001"),
    ],
)
def test_ends_keep_their_side_of_nought(interval, text):
    assert ends(interval) == text
