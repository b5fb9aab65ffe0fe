"""CTCF sites and the peaks of three cell lines, in the form of UCSC's uniform TFBS (docs/facts.md 5).

A site is drawn from CTCF's matrix, sharpened or flattened, near the middle of a region or of a gap between regions. It
is bound if its partner's motif lies beside it; the others are decoys. Signal grows with the site's log-odds score. Some
peaks lie at regions without a site, as in real data. CTCF instances planted for a program (with eight cell types) are
not bound.
"""

import numpy as np
import pandas as pd
from scipy.ndimage import maximum_filter1d

from genebert.errors import InputError
from genebert.genome.bases import N_CODE
from genebert.settings.data import SimulationSettings
from genebert.simulate.landscape import Planter, Sequence
from genebert.simulate.programs import CTCF, CTCF_PARTNER
from genebert.simulate.promoters import keep_promoters

# Three data sets of the paper's Table 2 and UCSC's files of them (docs/facts.md 32).
PEAK_FILES = {
    "CTCF_A549_CTCF_UT-A": "wgEncodeAwgTfbsUtaA549CtcfUniPk.narrowPeak.gz",
    "CTCF_AG04449_CTCF_UW": "wgEncodeAwgTfbsUwAg04449CtcfUniPk.narrowPeak.gz",
    "CTCF_BE(2)-C_CTCF_UW": "wgEncodeAwgTfbsUwBe2cCtcfUniPk.narrowPeak.gz",
}
STRENGTHS = (0.5, 0.75, 1.0, 1.5)  # exponents of the matrix
PARTNER_GAP = (1, 10)  # bases between the two motifs: both fit the central 51 bases of a region
REACH = 20  # bases from the middle at most
PEAK_DISTANCE = 150  # between two places: their windows of 101 bases do not overlap
HALF_WINDOW = 70  # known bases on both sides of a place: a window of 101 at a summit near it has no N
MIN_GAP = 260  # between two regions that have a site between them: its window touches neither
SCORE_WITHOUT_SITE = -1.0  # standard deviations from the mean score of the bound sites
SITE_NOISE, CELL_NOISE, SUMMIT_SD = 0.5, 0.5, 4.0
# Of UCSC's A549 ATF3 file (docs/facts.md 6): 88 % of the peaks are 484 wide, the narrowest 121, 471 on average; the
# signal is above 31 with a long tail, the median 43; the score runs with it from 200 to 1000, its value for the best
# 5.6 %; -log10 q runs from 1.77 to 3.18, its value for the best ninth.
WIDTH, NARROW, WIDE, SHARE_NARROW, SHARE_WIDE = 484, (121, 484), (485, 620), 0.08, 0.04
SIGNAL_FLOOR, SIGNAL_SCALE = 31.0, 12.0
SCORE_MIN, SCORE_MAX, SHARE_AT_MAX = 200, 1000, 0.056
Q_MIN, Q_RANGE = 1.772894, 1.402908


class _Room:
    """Which bases may be written, and where the middle of a peak may lie."""

    def __init__(self, sequence: Sequence, promoters: pd.DataFrame):
        self.kept = keep_promoters(sequence.fixed, promoters)
        self.crowded = maximum_filter1d(sequence.codes == N_CODE, 2 * HALF_WINDOW + 1, mode="constant")

    def free(self, centre: int, start: int, end: int) -> bool:
        return not (self.crowded[centre] or self.kept[start:end].any())

    def take(self, centre: int) -> None:
        self.crowded[max(0, centre - PEAK_DISTANCE) : centre + PEAK_DISTANCE + 1] = True


def _plant_sites(
    middles: np.ndarray, number: int, settings: SimulationSettings, room: _Room, planter: Planter, where: str
) -> list[tuple[int, float, bool]]:
    """Plant `number` sites near some of the `middles`; return their centres, scores (bits), and whether bound."""
    rng, motif = planter.rng, planter.motifs[CTCF]
    width, beside = motif.width, planter.motifs[CTCF_PARTNER].width
    weights = motif.counts + 0.25
    log_odds = np.log2(4 * weights / weights.sum(axis=0))
    n_bound, sites = round(number * settings.ctcf_partner), []
    for middle in rng.permutation(middles):
        if len(sites) == number:
            break
        bound, first = len(sites) < n_bound, rng.random() < 0.5
        gap = int(rng.integers(PARTNER_GAP[0], PARTNER_GAP[1] + 1))
        strand, other = ("+-"[i] for i in rng.integers(0, 2, 2))
        strength = float(rng.choice(STRENGTHS))
        total = width + gap + beside
        reach = np.arange(1, REACH + 1)
        for start in (middle - total // 2 + rng.integers(-reach, reach + 1)).tolist():  # farther with every trial
            # A decoy lies where it would with a partner.
            site = start if first else start + beside + gap
            centre = site + width // 2
            if not room.free(centre, *((start, start + total) if bound else (site, site + width))):
                continue
            codes = planter.put(CTCF, site, strand, "ctcf", strength)
            if bound:
                planter.put(CTCF_PARTNER, start + width + gap if first else start, other, "ctcf")
            room.take(centre)
            sites.append((centre, float(log_odds[codes, np.arange(width)].sum()), bound))
            break
    if len(sites) < number:
        raise InputError(
            f"simulation: room for {len(sites)} CTCF sites {where}, expected {number}; make the chromosomes longer or "
            f"{'ctcf' if where == 'in regions' else 'ctcf_outside'} smaller"
        )
    return sites


def plant_ctcf(
    settings: SimulationSettings, regions: pd.DataFrame, promoters: pd.DataFrame, planter: Planter
) -> pd.DataFrame:
    """Plant the CTCF sites, and choose the regions that have a peak without one; promoters keep their bases.

    Returns
    -------
    DataFrame
        One row a place: centre (global), score (bits; NaN without a site), bound (true also of a place without a site),
        in_region.

    Raises
    ------
    InputError
        More sites or peaks asked for than there is room.
    """
    room = _Room(planter.sequence, promoters)
    starts, ends = regions["global_start"].to_numpy(), regions["global_end"].to_numpy()
    middles = (starts + ends) // 2
    chrom = regions["chrom"].to_numpy()
    wide = np.flatnonzero((chrom[1:] == chrom[:-1]) & (starts[1:] - ends[:-1] >= MIN_GAP))
    between = (ends[wide] + starts[wide + 1]) // 2
    n_inside, n_outside = (round(settings.n_regions * share) for share in (settings.ctcf, settings.ctcf_outside))
    sites = _plant_sites(middles, n_inside, settings, room, planter, "in regions")
    sites += _plant_sites(between, n_outside, settings, room, planter, "between regions")

    n_bound, share = sum(bound for _, _, bound in sites), settings.ctcf_without_site
    number = round(n_bound * share / (1 - share))
    bare = []
    for middle in planter.rng.permutation(middles):
        if len(bare) < number and not room.crowded[middle]:
            bare.append((middle, np.nan, True))
            room.take(middle)
    if len(bare) < number:
        raise InputError(
            f"simulation: room for {len(bare)} peaks without a CTCF site, expected {number}; make the regions more or "
            "ctcf_without_site smaller"
        )
    places = pd.DataFrame(sites + bare, columns=["centre", "score", "bound"])
    return places.assign(in_region=(np.arange(len(places)) < n_inside) | places["score"].isna()).astype(
        {"centre": np.int64, "score": float, "bound": bool}
    )


def draw_peaks(settings: SimulationSettings, places: pd.DataFrame, rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    """Draw each cell line's peaks at the bound places.

    Returns
    -------
    dict
        Data set -> one row a peak, strongest first: summit (global), width, offset (of the summit), signal, has_site,
        shared (in all cell lines).
    """
    bound = places[places["bound"]]
    n, share = len(PEAK_FILES), settings.ctcf_shared
    # Of all places: this share makes `ctcf_shared` of each line's peaks common.
    shared = rng.random(len(bound)) < share / (share + n * (1 - share))
    owner = rng.integers(0, n, len(bound))
    score = bound["score"]
    strength = ((score - score.mean()) / score.std(ddof=0)).fillna(SCORE_WITHOUT_SITE).to_numpy()
    strength = strength + rng.normal(0, SITE_NOISE, len(bound))
    tables = {}
    for i, name in enumerate(PEAK_FILES):
        here = np.flatnonzero(shared | (owner == i))
        size = len(here)
        kind, relative = rng.random(size), rng.uniform(0.3, 0.7, size)
        width = np.full(size, WIDTH)
        narrow, wide = kind < SHARE_NARROW, kind >= 1 - SHARE_WIDE
        width[narrow] = rng.integers(NARROW[0], NARROW[1], narrow.sum())
        width[wide] = rng.integers(WIDE[0], WIDE[1] + 1, wide.sum())
        signal = np.exp(strength[here] + rng.normal(0, CELL_NOISE, size))
        table = pd.DataFrame({
            "summit": bound["centre"].to_numpy()[here] + rng.normal(0, SUMMIT_SD, size).round().astype(int),
            "width": width,
            "offset": np.where(width == WIDTH, WIDTH // 2, (width * relative).astype(int)),
            "signal": SIGNAL_FLOOR + SIGNAL_SCALE * signal,
            "has_site": score.notna().to_numpy()[here],
            "shared": shared[here],
        })  # fmt: skip
        tables[name] = table.sort_values("signal", ascending=False, kind="stable", ignore_index=True)
    return tables


def narrow_peaks(table: pd.DataFrame, sequence: Sequence) -> pd.DataFrame:
    """Turn peaks into the ten columns of narrowPeak with UCSC's placeholders: name and strand `.`, no p-value (-1)."""
    chrom, summit = sequence.place(table["summit"].to_numpy())
    start = np.maximum(0, summit - table["offset"])
    end = np.minimum(np.diff(sequence.offsets)[chrom], summit - table["offset"] + table["width"])
    rank = np.arange(1, len(table) + 1) / max(1, len(table))
    signal = table["signal"].to_numpy()
    scale = np.quantile(signal, 1 - SHARE_AT_MAX) - signal.min() if len(signal) > 1 else 1.0
    score = SCORE_MIN + (SCORE_MAX - SCORE_MIN) * np.minimum(1, (signal - signal.min(initial=np.inf)) / scale)
    return pd.DataFrame({
        "chrom": np.array(sequence.chroms)[chrom],
        "chromStart": start,
        "chromEnd": end,
        "name": ".",
        "score": score.astype(int),
        "strand": ".",
        "signalValue": signal,
        "pValue": -1,
        "qValue": Q_MIN + np.minimum(Q_RANGE, -1.5 * np.log10(rank)),
        "peak": summit - start,
    })  # fmt: skip


def ctcf_truth(places: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> dict:
    """Count what was planted and what each peak file holds, for ``truth.json``."""
    sites = places[places["score"].notna()]
    return {
        "factor": CTCF,
        "partner": CTCF_PARTNER,
        "sites": len(sites),
        "sites_in_regions": int(sites["in_region"].sum()),
        "sites_bound": int(sites["bound"].sum()),
        "datasets": {
            name: {
                "file": PEAK_FILES[name],
                "peaks": len(table),
                "peaks_with_site": int(table["has_site"].sum()),
                "peaks_in_all_datasets": int(table["shared"].sum()),
            }
            for name, table in tables.items()
        },
    }
