"""Promoters: start sites, their sequence with its elements, and EPDnew's file."""

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.genome.bases import reverse_complement
from genebert.settings.data import SimulationSettings
from genebert.simulate.landscape import Planter, Sequence, deplete_cpg
from genebert.simulate.programs import TATA_BOX

CORE_FACTORS = ("NRF1", "YY1", "ELK1", "ZBTB33")  # those that bind at the start site itself
GC_BOX, CCAAT_BOX = "SP2", "NFYA"
ELEMENTS = ["TATA-box", "Inr", "CCAAT-box", "GC-box"]
PROMOTER_DISTANCE = 350  # between two start sites
PROMOTER_SPAN = (-180, 100)  # bases, relative to the TSS, with the promoter's own composition
KEPT = (-250, 100)  # bases, relative to the TSS, that stay as they are


def choose_start_sites(
    settings: SimulationSettings, regions: pd.DataFrame, sequence: Sequence, rng: np.random.Generator
) -> pd.DataFrame:
    """Choose start sites: first at house-keeping regions, some at regions of one cell type and between regions."""
    starts, ends = regions["global_start"].to_numpy(), regions["global_end"].to_numpy()
    middle = (starts + ends) // 2 + rng.integers(-40, 41, len(regions))
    house = (regions["program"] == -1).to_numpy()
    wide = np.flatnonzero(starts[1:] - ends[:-1] >= 2 * PROMOTER_DISTANCE)
    groups = [rng.permutation(group) for group in (middle[house], middle[~house], (ends[wide] + starts[wide + 1]) // 2)]
    quotas = [round(settings.n_promoters * share) for share in (0.6, 0.2, 0.2)]
    ordered = [group[:quota] for group, quota in zip(groups, quotas, strict=True)]
    ordered += [group[quota:] for group, quota in zip(groups, quotas, strict=True)]
    taken = sequence.fixed.copy()  # N, and whatever is too close to an earlier start site
    chosen = []
    for tss in np.concatenate(ordered):
        if len(chosen) < settings.n_promoters and not taken[tss - 300 : tss + 300].any():
            chosen.append(tss)
            taken[tss - PROMOTER_DISTANCE + 300 : tss + PROMOTER_DISTANCE - 300] = True
    if len(chosen) < settings.n_promoters:
        raise InputError(
            f"simulation: room for {len(chosen)} promoters, expected {settings.n_promoters}; make the chromosomes "
            "longer or the promoters fewer"
        )
    return pd.DataFrame({
        "tss": np.sort(chosen),
        "strand": rng.choice(["+", "-"], len(chosen)),
        "tata": rng.random(len(chosen)) < settings.tata,
    })  # fmt: skip


def _promoter_bases(tata: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw promoter sequence in transcript direction (uint8 [n, 280]).

    Composition differs from promoter to promoter, bases tend to repeat those one to three places before, and two in
    three promoters keep their CpG: what makes real promoters differ from a mosaic with uniform bases, and no more.
    """
    n, length = len(tata), PROMOTER_SPAN[1] - PROMOTER_SPAN[0]
    mean = np.where(tata[:, None], [0.25, 0.26, 0.26, 0.23], [0.165, 0.33, 0.335, 0.17])
    composition = rng.standard_gamma(12 * mean)
    cumulative = np.cumsum(composition / composition.sum(axis=1, keepdims=True), axis=1)[:, :3]
    bases = (rng.random((n, length, 1)) > cumulative[:, None]).sum(axis=2).astype(np.uint8)
    lag, repeats = rng.integers(1, 4, n), rng.random((n, length)) < 0.35
    for i in range(3, length):
        bases[:, i] = np.where(repeats[:, i], bases[np.arange(n), i - lag], bases[:, i])
    open_sea = rng.random(n) < np.where(tata, 0.7, 0.33)
    depleted = bases[open_sea]
    deplete_cpg(depleted, rng, 0.7)
    bases[open_sea] = depleted
    return bases


def write_promoters(promoters: pd.DataFrame, planter: Planter) -> pd.DataFrame:
    """Write promoter sequence with its elements into the genome; return the flags of EPD's element table."""
    rng, sequence = planter.rng, planter.sequence
    bodies = _promoter_bases(promoters["tata"].to_numpy(), rng)
    starts_of_tata = rng.choice(np.arange(-34, -28), len(promoters), p=[0.10, 0.18, 0.25, 0.28, 0.16, 0.03])
    # 0.60 with a designed pair and chance in the others give human shares: CA 0.37, pyrimidine-purine 0.70 at -1/+1.
    initiators = rng.choice(5, len(promoters), p=[0.40, 0.345, 0.085, 0.085, 0.085])
    pairs = (None, (1, 0), (1, 2), (3, 0), (3, 2))
    flags = []
    for promoter, body, tata_start, pair in zip(
        promoters.itertuples(), bodies, starts_of_tata, initiators, strict=True
    ):
        tss, strand = int(promoter.tss), promoter.strand

        def interval(first: int, stop: int, tss: int = tss, strand: str = strand) -> tuple[int, int]:
            return (tss + first, tss + stop) if strand == "+" else (tss - stop + 1, tss - first + 1)

        start, stop = interval(*PROMOTER_SPAN)
        sequence.codes[start:stop] = body if strand == "+" else reverse_complement(body)
        if pairs[pair]:
            sequence.write(interval(-1, 1)[0], np.array(pairs[pair], dtype=np.uint8), strand)
        if promoter.tata:
            width = planter.motifs[TATA_BOX].width
            planter.put(TATA_BOX, interval(tata_start, tata_start + width)[0], strand, "promoter")
        gc_box = sum(
            planter.put_somewhere(GC_BOX, *interval(-120, -35), "promoter") for _ in range(rng.binomial(2, 0.4))
        )
        ccaat = rng.random() < 0.3 and planter.put_somewhere(CCAAT_BOX, *interval(-130, -50), "promoter")
        if not promoter.tata and rng.random() < 0.4:
            planter.put_somewhere(CORE_FACTORS[rng.integers(len(CORE_FACTORS))], *interval(-32, 36), "promoter")
        flags.append((int(promoter.tata), int(pair > 0), int(ccaat), int(gc_box > 0)))
    return pd.DataFrame(flags, columns=ELEMENTS)


def keep_promoters(fixed: np.ndarray, promoters: pd.DataFrame) -> np.ndarray:
    """Return `fixed` (bool [bases]: what must not be overwritten) with all promoters."""
    kept = fixed.copy()
    for tss, strand in zip(promoters["tss"], promoters["strand"], strict=True):
        first, last = KEPT if strand == "+" else (-KEPT[1], -KEPT[0])
        kept[tss + first : tss + last + 1] = True
    return kept


def epd_bed(promoters: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of EPDnew's BED: window TSS-49..TSS+10, thick from the TSS on (docs/facts.md 4)."""
    tss, forward = promoters["position"], promoters["strand"] == "+"
    start, end = tss - np.where(forward, 49, 10), tss + np.where(forward, 11, 50)
    thick = {"thick_start": tss.where(forward, start), "thick_end": end.where(forward, tss + 1)}
    window = {"chrom": promoters["chrom"], "start": start, "end": end}
    return pd.DataFrame({**window, "name": promoters["name"], "score": 900, "strand": promoters["strand"], **thick})
