"""How much of the downstream examples pre-training has already seen.

Pre-training reads bases, never labels. An example with a place in the genome is compared by place with the regions
that pre-training samples use; an example without one is looked for as a whole, on both strands, in their bases.
"""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from genebert.corpus.groups import TRAIN, VALID, Groups
from genebert.errors import InputError
from genebert.genome.bases import encode, reverse_complement
from genebert.genome.intervals import merge_overlapping, ranges
from genebert.genome.sequences import RegionSequences

logger = logging.getLogger(__name__)
SEED_BASES = 31  # the longest word that 64 bits hold with room to spare
COLUMNS = ("sequence", "label", "source", "chrom", "start", "end")
_BLOCK_BASES = 1 << 17  # words of a block stay in the processor's cache
_BATCH_BASES = 1 << 24
_PIECE_BASES = 1 << 22
_TABLE_BITS = (16, 28)


def covered_bases(examples: pd.DataFrame, regions: pd.DataFrame) -> np.ndarray:
    """Count the bases of each example that lie in any of the regions.

    Parameters
    ----------
    examples, regions : DataFrame
        Columns chrom, start, end (0-based, half-open), in any order; regions may overlap each other.

    Returns
    -------
    int64 [n_examples]
    """
    merged, _ = merge_overlapping(regions)
    covered = np.zeros(len(examples), dtype=np.int64)
    starts, ends = (examples[column].to_numpy(np.int64) for column in ("start", "end"))
    places = merged.groupby("chrom", observed=True).indices
    for chrom, rows in examples.groupby("chrom", observed=True).indices.items():
        here = merged.iloc[places.get(chrom, [])]
        low, high = here["start"].to_numpy(np.int64), here["end"].to_numpy(np.int64)
        before = np.concatenate(([0], np.cumsum(high - low)))
        reach = np.concatenate(([0], high))

        def covered_left_of(position: np.ndarray, low=low, before=before, reach=reach) -> np.ndarray:
            last = np.searchsorted(low, position)
            return before[last] - np.maximum(reach[last] - position, 0)

        covered[rows] = covered_left_of(ends[rows]) - covered_left_of(starts[rows])
    return covered


def kmer_words(codes: np.ndarray, k: int) -> np.ndarray:
    """Pack every window of `k` bases into one number, two bits a base.

    Parameters
    ----------
    codes : uint8 [n]
        Base codes; N is packed as A.
    k : int
        1 to 32.

    Returns
    -------
    uint64 [n - k + 1]
        Empty where `codes` is shorter than `k`.
    """
    if len(codes) < k:
        return np.zeros(0, dtype=np.uint64)
    # Windows of 1, 2, 4, ... bases; those that k is the sum of are put one behind the other.
    power, width = (codes & 3).astype(np.uint64), 1
    result, done = power, 0
    while True:
        if k & width:
            n = len(power) - done
            result = (result[:n] << np.uint64(2 * width)) | power[done:] if done else power
            done += width
        if 2 * width > k:
            return result[: len(codes) - k + 1]
        power = (power[:-width] << np.uint64(2 * width)) | power[width:]
        width *= 2


def _pieces(sizes: np.ndarray, bases: int) -> Iterator[slice]:
    """Cut a list into runs of about `bases` bases, at least one item each."""
    total = np.cumsum(sizes)
    first = 0
    while first < len(sizes):
        limit = (total[first - 1] if first else 0) + bases
        last = max(first + 1, int(np.searchsorted(total, limit, side="right")))
        yield slice(first, last)
        first = last


def _same_bases(codes: np.ndarray, at: np.ndarray, others: np.ndarray, from_: np.ndarray, sizes: np.ndarray):
    """Return where ``codes[at : at + size]`` equals ``others[from_ : from_ + size]``, base by base (bool [n])."""
    same = np.empty(len(at), dtype=bool)
    for piece in _pieces(sizes, _PIECE_BASES):
        n = sizes[piece]
        equal = codes[ranges(at[piece], n)] == others[ranges(from_[piece], n)]
        same[piece] = np.logical_and.reduceat(equal, np.cumsum(n) - n)
    return same


class _Seeds:
    """Words that sequences begin with, and a quick test that most other words fail."""

    def __init__(self, words: np.ndarray):
        self.order = np.argsort(words, kind="stable")
        self.words = words[self.order]
        self.bits = int(np.clip(np.ceil(np.log2(64 * len(words))), *_TABLE_BITS))
        self.table = np.zeros(1 << self.bits, dtype=bool)
        self.table[self._slots(words)] = True

    def _slots(self, words: np.ndarray) -> np.ndarray:
        return ((words * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - self.bits)).view(np.int64)

    def matches(self, words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return all pairs of a position in `words` and a seed equal to the word there."""
        at = np.flatnonzero(self.table[self._slots(words)])
        low = np.searchsorted(self.words, words[at], side="left")
        times = np.searchsorted(self.words, words[at], side="right") - low
        return np.repeat(at, times), self.order[ranges(low, times)]


def _find(texts: list[str], k: int, sequences: RegionSequences) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (number of the text, position in ``sequences.codes``) of whole texts, both strands, inside one region."""
    forward = encode("".join(texts))
    queries = np.concatenate((forward, reverse_complement(forward)))
    sizes = np.array([len(text) for text in texts], dtype=np.int64)
    # The reverse complement of all texts end to end holds them in reverse order.
    sizes = np.concatenate((sizes, sizes[::-1]))
    owner = np.concatenate((np.arange(len(texts)), np.arange(len(texts))[::-1]))
    starts = np.cumsum(sizes) - sizes
    seeds = _Seeds(kmer_words(queries, k)[starts])
    offsets, n_bases = sequences.offsets, len(sequences.codes)
    for first in range(0, n_bases - k + 1, _BLOCK_BASES):
        at, query = seeds.matches(kmer_words(np.asarray(sequences.codes[first : first + _BLOCK_BASES + k - 1]), k))
        at += first
        inside = at + sizes[query] <= offsets[np.searchsorted(offsets, at, side="right")]
        at, query = at[inside], query[inside]
        # The seed is only the beginning, and takes N for A.
        same = _same_bases(sequences.codes, at, queries, starts[query], sizes[query])
        yield owner[query[same]], at[same]


def find_sequences(texts: list[str], sequences: RegionSequences) -> pd.DataFrame:
    """Find every place where a text lies as a whole in one region, on either strand.

    Words of up to 31 bases of all regions are looked up among the words that the texts begin with; hits are then
    compared base by base. A text with N is found only where the region has N too.

    Parameters
    ----------
    texts : list of str
        Not empty; upper or lower case.
    sequences : RegionSequences

    Returns
    -------
    DataFrame
        One row a hit, without repeats: text (its number), region, offset (from the region's first base).
    """
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    is_short = lengths < SEED_BASES
    for chosen in (np.flatnonzero(~is_short), np.flatnonzero(is_short)):
        if not len(chosen):
            continue
        k = min(SEED_BASES, int(lengths[chosen].min()))
        for piece in _pieces(lengths[chosen], _BATCH_BASES):
            batch = chosen[piece]
            found += [(batch[text], at) for text, at in _find([texts[i] for i in batch], k, sequences) if len(text)]
    text, at = (np.concatenate(column) for column in zip(*found, strict=True))
    region = np.searchsorted(sequences.offsets, at, side="right") - 1
    hits = pd.DataFrame({"text": text, "region": region, "offset": at - sequences.offsets[region]})
    # A text that is its own reverse complement is found twice.
    return hits.drop_duplicates(ignore_index=True)


def read_examples(path: str | Path) -> pd.DataFrame:
    """Read one split of a task.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`, and `placed`: whether the example has a place.

    Raises
    ------
    InputError
        No such file, not parquet, a missing column, half a place, an end not behind its start, or an empty sequence.
    """
    import pyarrow

    try:
        frame = pd.read_parquet(path)
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise InputError(f"{path}: cannot be read as parquet ({error}); run the rule of its task again") from error
    missing = [column for column in COLUMNS if column not in frame]
    if missing:
        raise InputError(f"{path}: has no column {', '.join(missing)}; expected {', '.join(COLUMNS)}")
    frame = frame[list(COLUMNS)]
    known = frame[["chrom", "start", "end"]].notna()
    half = (known.any(axis=1) & ~known.all(axis=1)).to_numpy()
    if half.any():
        row = int(np.flatnonzero(half)[0])
        raise InputError(f"{path}: row {row + 1} has only part of chrom, start and end; expected all three or none")
    placed = known.all(axis=1).to_numpy()
    backwards = placed & (frame["end"] <= frame["start"]).fillna(False).to_numpy(dtype=bool)
    if backwards.any():
        row = int(np.flatnonzero(backwards)[0])
        place = f"{frame['chrom'].iloc[row]}:{frame['start'].iloc[row]}-{frame['end'].iloc[row]}"
        raise InputError(f"{path}: row {row + 1} has the place {place}; expected start < end")
    empty = ~placed & (frame["sequence"].fillna("") == "").to_numpy(dtype=bool)
    if empty.any():
        row = int(np.flatnonzero(empty)[0])
        raise InputError(f"{path}: row {row + 1} has neither place nor sequence; expected one of them")
    return frame.assign(placed=placed)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _counts(frame: pd.DataFrame, target: str) -> dict:
    """Summarise the examples of a table: those with a place, those without."""
    placed, rest = frame[frame["placed"]], frame[~frame["placed"]]
    overlapping, covered = int((placed[target] > 0).sum()), int(placed[target].sum())
    bases, found = int(placed["bases"].sum()), int((rest[target] > 0).sum())
    return {
        "placed": {
            "examples": len(placed),
            "overlapping": overlapping,
            "share": _share(overlapping, len(placed)),
            "bases": bases,
            "bases_covered": covered,
            "share_of_bases": _share(covered, bases),
        },
        "unplaced": {"examples": len(rest), "found": found, "share": _share(found, len(rest))},
    }


def leakage(
    data_sets: Mapping[str, Mapping[str, str | Path]],
    regions: pd.DataFrame,
    sequences: RegionSequences,
    groups: Groups,
    region_bp: int | None = None,
    holdout_chromosomes: tuple[str, ...] = (),
) -> dict:
    """Compare every split of every data set with the regions of pre-training.

    Parameters
    ----------
    data_sets : dict
        Name of the data set to split (``train``, ``valid``, ``test``) to parquet file.
    regions : DataFrame [n_regions]
        Columns chrom, start, end.
    sequences : RegionSequences
        The bases of `regions`, whole.
    groups : Groups
        Which regions pre-training uses: those in groups of the training split, and apart from them the validation
        split; regions left over or held out are in none.
    region_bp : int, optional
        Models are shown only this many bases in the middle of each region.
    holdout_chromosomes : tuple of str
        Examples placed there are counted.

    Returns
    -------
    dict
        ``targets``: number of regions and distinct bases of what is compared with: ``training``, ``validation``, and
        ``training_shown`` (the middles) where `region_bp` is set. ``data_sets``: data set, split, then ``examples``,
        ``on_holdout_chromosomes``, a count for each target (examples with a place: that share a base, and their
        covered bases; without a place: that lie as a whole in one region), and the same ``by_label`` and
        ``by_source``.

    Raises
    ------
    InputError
        As :func:`read_examples`.
    """
    tables = [
        read_examples(path).assign(data_set=name, split=split)
        for name, files in data_sets.items()
        for split, path in files.items()
    ]
    if not tables:
        return {"region_bp": region_bp, "targets": {}, "data_sets": {}}
    frame = pd.concat(tables, ignore_index=True)
    placed = frame["placed"].to_numpy()
    frame["bases"] = np.where(placed, (frame["end"] - frame["start"]).fillna(0), frame["sequence"].str.len().fillna(0))
    frame["bases"] = frame["bases"].astype(np.int64)

    sizes = (regions["end"] - regions["start"]).to_numpy(np.int64)
    shown = sizes if region_bp is None else np.minimum(sizes, region_bp)
    margin = (sizes - shown) // 2
    used = {"training": np.unique(groups.subset(TRAIN).regions), "validation": np.unique(groups.subset(VALID).regions)}
    targets = {name: (rows, np.zeros_like(margin), sizes) for name, rows in used.items()}
    if region_bp is not None:
        targets["training_shown"] = (used["training"], margin, shown)

    text_of, texts = pd.factorize(frame.loc[~placed, "sequence"])
    logger.info("leakage: %d examples with a place, %d different sequences without", placed.sum(), len(texts))
    hits = find_sequences(list(texts), sequences)
    hit_size = np.array([len(text) for text in texts], dtype=np.int64)[hits["text"]]
    region, offset = hits["region"].to_numpy(), hits["offset"].to_numpy()
    summary = {}
    for name, (rows, from_, n) in targets.items():
        start = regions["start"].to_numpy()[rows] + from_[rows]
        places = pd.DataFrame({"chrom": regions["chrom"].to_numpy()[rows], "start": start, "end": start + n[rows]})
        union = merge_overlapping(places)[0]
        summary[name] = {"regions": len(rows), "bases": int((union["end"] - union["start"]).sum())}
        inside = np.isin(region, rows) & (offset >= from_[region]) & (offset + hit_size <= from_[region] + n[region])
        is_found = np.zeros(len(texts), dtype=bool)
        is_found[hits["text"].to_numpy()[inside]] = True
        covered = np.zeros(len(frame), dtype=np.int64)
        covered[placed] = covered_bases(frame[placed], places)
        covered[~placed] = np.where(is_found[text_of], frame.loc[~placed, "bases"], 0)
        frame[name] = covered

    def counts(part: pd.DataFrame) -> dict:
        return {"examples": len(part), **{name: _counts(part, name) for name in targets}}

    result: dict = {}
    for (name, split), part in frame.groupby(["data_set", "split"], sort=False):
        result.setdefault(name, {})[split] = {
            **counts(part),
            "on_holdout_chromosomes": int(part["chrom"].isin(holdout_chromosomes).sum()),
            **{
                f"by_{column}": {str(value): counts(group) for value, group in part.groupby(column)}
                for column in ("label", "source")
            },
        }
    return {"region_bp": region_bp, "targets": summary, "data_sets": result}
