"""The summary of the page: what the paper says, what this run found, why; one line a claim, all of it computed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from genebert.evaluation.intervals import Interval
from genebert.report.page.verdicts import ABSENT, FAILS, HOLDS, ONE_MODEL, OPEN, VERDICTS, Judged, Measured
from genebert.report.tables.blocks import number, with_sd
from genebert.report.text import NOTHING

SAME = "the same model"  # in place of a verdict where both names of a comparison are one
FEW, MANY = 2, 3  # reasons, and models without a row, that a line gives
# Verdict -> class of its badge, and a sign beside its colour.
BADGES = dict(zip(VERDICTS, (("yes", "\u2713"), ("no", "\u2717"), ("open", "?"), ("absent", "\u2013")), strict=True))

# What a badge says: of a claim, in one run.
SAID = {
    HOLDS: "holds in this run",
    FAILS: "does not hold in this run",
    OPEN: "cannot be told in this run",
    ABSENT: ABSENT,
}
# How many comparisons it is so of: one, several.
COUNTED = {
    HOLDS: ("holds", "hold"),
    FAILS: ("does not hold", "do not hold"),
    OPEN: ("cannot be told", "cannot be told"),
    ABSENT: ("is not part of this run", "are not part of this run"),
}


@dataclass(frozen=True)
class Line:
    """A claim in the summary, as text."""

    name: str
    claim: str
    where: str  # in the paper
    paper: str
    found: str
    verdict: str
    badge: tuple[str, str]
    simple: str
    why: str
    heads: tuple[str, ...] = ()
    details: list[list[str]] = field(default_factory=list)  # a row for each comparison

    @property
    def said(self) -> str:
        """What the badge of the claim says."""
        return SAID[self.verdict]


HEADS = ("Comparison", "Verdict", "Better", "than", "Paper", "Paper's gain", "Ours", "Other", "Difference",
         "95 % over seeds", "95 % over pre-trainings", "95 % over test examples", "Seeds", "Why")  # fmt: skip


def mean_sd(pair: tuple[float, float] | None) -> str:
    """Return mean and sd over seeds; the mean alone of one seed, a dash for nothing."""
    return NOTHING if pair is None else with_sd(*pair)


def ends(interval: Interval | None) -> str:
    """Return an interval of a difference."""
    return NOTHING if interval is None else " to ".join(map(_end, interval))


def _end(value: float) -> str:
    text = number(value, "+")
    # A verdict hangs on which side of 0 an end lies.
    return f"{value:+.1g}" if value and text == number(0.0) else text


def signed(value: float | None) -> str:
    """Return a difference with its sign, a dash for nothing."""
    return number(value, "+")


def _span(values: Sequence[float]) -> str:
    low, high = (number(end, "+") for end in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _paper(measured: Sequence[Measured], metric: str) -> str:
    """Return what the paper reports of a claim's comparisons."""
    pairs = [one.pair for one in measured]
    gains = [pair.gain for pair in pairs if pair.gain is not None]
    if not gains:
        return f"no number; its own {metric} {_of_ours(pairs)}"
    if len(pairs) == 1:
        return f"{metric} {number(pairs[0].paper_ours)} against {number(pairs[0].paper_other)}: {_span(gains)}"
    return f"{metric} {_span(gains)} in {len(gains)} comparisons"


def _of_ours(pairs: Sequence) -> str:
    values = [pair.paper_ours for pair in pairs if pair.paper_ours is not None]
    if not values:
        return NOTHING
    low, high = number(min(values)), number(max(values))
    return low if low == high else f"{low} to {high}"


def _found(measured: Sequence[Measured], metric: str) -> str:
    """Return what this run has of them."""
    had = [one for one in measured if one.verdict != ABSENT]
    if not had:
        return NOTHING
    seeds = sorted({seed for one in had for seed in one.seeds})
    over = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    if len(measured) == 1:
        (one,) = had
        interval = f" ({ends(one.interval)})" if one.interval else ""
        return f"{metric} {mean_sd(one.ours)} against {mean_sd(one.other)}: {signed(one.difference)}{interval}; {over}"
    known = [one.interval for one in had if one.interval]
    interval = (min(low for low, _ in known), max(high for _, high in known)) if known else None
    all_ends = f", intervals within {ends(interval)}" if interval else ""
    return (
        f"{metric} {_span([one.difference for one in had])} in {len(had)} of {len(measured)} comparisons{all_ends}; "
        f"{over}"
    )


def counted(verdicts: Sequence[str], of: str = "comparisons") -> str:
    """Return how many of several verdicts are which, all of them."""
    found = Counter(verdicts)
    said = [f"{n} {COUNTED[verdict][n > 1]}" for verdict in VERDICTS if (n := found[verdict])]
    return f"of {len(verdicts)} {of} {', '.join(said)}"


def _why(measured: Sequence[Measured], verdict: str) -> str:
    """Return how many comparisons there are of each verdict, and the reasons of those that decide, frequent first."""
    decisive = [one for one in measured if one.verdict == verdict]
    names = list(dict.fromkeys(one.missing for one in decisive if one.missing))
    reasons = Counter(one.why for one in decisive if not one.missing)
    several = len(measured) > 1
    said = [counted([one.verdict for one in measured])] if several else []
    said += [f"{why} ({n} of {len(measured)})" if several else why for why, n in reasons.most_common(FEW)]
    if names:
        rest = f" and {len(names) - MANY} more" if len(names) > MANY else ""
        said.append(f"no row of this run: {', '.join(names[:MANY])}{rest}")
    if (more := len(reasons) - FEW) > 0:
        said.append(f"{more} more reason{'s' * (more > 1)} below")
    return "; ".join(said)


def seeds_of(one: Measured) -> str:
    """Return the seeds of fine-tuning, and of how many pre-trainings where there are several."""
    several = f" of {one.pretrainings} pre-trainings" if one.pretrainings > 1 else ""
    return ", ".join(map(str, one.seeds)) + several or NOTHING


def _details(one: Measured) -> list[str]:
    pair = one.pair
    paper = NOTHING if pair.paper_ours is None else f"{number(pair.paper_ours)} / {number(pair.paper_other)}"
    return [
        pair.label, SAME if one.why == ONE_MODEL else one.verdict, pair.ours, pair.other, paper, signed(pair.gain),
        mean_sd(one.ours), mean_sd(one.other), signed(one.difference), ends(one.over_seeds),
        ends(one.over_pretrainings), ends(one.over_examples), seeds_of(one), one.why,
    ]  # fmt: skip


def line_of(judged: Judged) -> Line:
    """Return a claim with its verdict as text."""
    measured, claim = judged.measured, judged.claim
    simple = "; ".join(
        f"{found['model']} {with_sd(found['mean'], found['sd'])}"
        + (f" on {dataset.partition('/')[2]}" if len(judged.simple) > 1 else "")
        for dataset, found in judged.simple.items()
    )
    paper, found = _paper(measured, judged.metric), _found(measured, judged.metric)
    return Line(
        claim.name, claim.text, f"Table {claim.table}", paper, found, judged.verdict,
        BADGES[judged.verdict], simple or NOTHING, _why(measured, judged.verdict), HEADS,
        [_details(one) for one in measured],
    )  # fmt: skip


def counts_of(lines: Sequence[Line]) -> list[tuple[str, tuple[str, str], int]]:
    """Return what a badge says, the badge and of how many claims it is, in the order of the verdicts."""
    return [(SAID[verdict], BADGES[verdict], sum(one.verdict == verdict for one in lines)) for verdict in VERDICTS]
