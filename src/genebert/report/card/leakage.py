"""How much of the downstream examples pre-training has already seen.

Pre-training reads bases, never labels. An example with a place in the genome is compared by place with the regions
that pre-training samples use; an example without one is looked for as a whole, on both strands, in their bases.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from genebert.corpus.groups import TRAIN, VALID, Groups
from genebert.errors import InputError
from genebert.genome.bases import encode, reverse_complement
from genebert.genome.intervals import merge_overlapping
from genebert.genome.sequences import RegionSequences

logger = logging.getLogger(__name__)
SEED_BASES = 31  # the longest word that 64 bits hold with room to spare
COLUMNS = ("sequence", "label", "source", "chrom", "start", "end")
_BLOCK_BASES = 1 << 17  # words of a block stay in the processor's cache
_BATCH_TEXTS = 1 << 18


def covered_bases(examples: pd.DataFrame, regions: pd.DataFrame) -> np.ndarray:
    """Count the bases of each example that lie in any of the regions (int64 [n_examples]).

    Both have columns chrom, start, end (0-based, half-open), in any order; regions may overlap each other.
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
        for sign, edge in ((1, ends[rows]), (-1, starts[rows])):
            last = np.searchsorted(low, edge)
            covered[rows] += sign * (before[last] - np.maximum(reach[last] - edge, 0))
    return covered


def shown_places(regions: pd.DataFrame, region_bp: int | None) -> pd.DataFrame:
    """Return what models are shown of regions (chrom, start, end): so many bases in the middle, None: all."""
    if region_bp is None:
        return regions
    sizes = regions["end"] - regions["start"]
    shown = sizes.clip(upper=region_bp)
    start = regions["start"] + (sizes - shown) // 2
    return regions.assign(start=start, end=start + shown)


def kmer_words(codes: np.ndarray, k: int) -> np.ndarray:
    """Pack every window of `k` bases (1 to 32) into one number, two bits a base; N is packed as A.

    Base codes, uint8 [..., n], become uint64 [..., n - k + 1], empty where there are fewer than `k`.
    """
    n = max(codes.shape[-1] - k + 1, 0)
    words = np.zeros((*codes.shape[:-1], n), dtype=np.uint64)
    for i in range(k):
        words <<= np.uint64(2)
        words |= codes[..., i : i + n] & 3
    return words


def _find(texts: list[str], k: int, sequences: RegionSequences) -> Iterator[tuple[int, int]]:
    """Yield (number of the text, position in ``sequences.codes``) of whole texts, both strands, inside one region."""
    queries = [encode(text) for text in texts]
    queries += [reverse_complement(query) for query in queries]
    seeds: dict[int, list[int]] = {}
    for query, word in enumerate(kmer_words(np.stack([query[:k] for query in queries]), k)[:, 0].tolist()):
        seeds.setdefault(word, []).append(query)
    known = pd.Index(np.fromiter(seeds, np.uint64))
    for first in range(0, len(sequences.codes) - k + 1, _BLOCK_BASES):
        words = kmer_words(np.asarray(sequences.codes[first : first + _BLOCK_BASES + k - 1]), k)
        at = np.flatnonzero(known.get_indexer(words) >= 0)
        ends = sequences.offsets[np.searchsorted(sequences.offsets, first + at, side="right")]
        for start, word, end in zip((first + at).tolist(), words[at].tolist(), ends.tolist(), strict=True):
            for query in seeds[word]:
                # The seed is only the beginning, and takes N for A.
                bases = sequences.codes[start : min(start + len(queries[query]), end)]
                if np.array_equal(bases, queries[query]):
                    yield query % len(texts), start


def find_sequences(texts: list[str], sequences: RegionSequences) -> pd.DataFrame:
    """Find every place where a text lies as a whole in one region, on either strand.

    Words of up to 31 bases of all regions are looked up among the words that the texts begin with; hits are then
    compared base by base. A text (upper or lower case) with N is found only where the region has N too.

    Returns
    -------
    DataFrame
        One row a hit, without repeats: text (its number), region, offset (from the region's first base).
    """
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    hits, is_short = [], lengths < SEED_BASES
    for chosen in (np.flatnonzero(~is_short), np.flatnonzero(is_short)):
        for batch in (chosen[i : i + _BATCH_TEXTS] for i in range(0, len(chosen), _BATCH_TEXTS)):
            k = min(SEED_BASES, int(lengths[batch].min()))
            hits += [(batch[text], at) for text, at in _find([texts[i] for i in batch], k, sequences)]
    text, at = np.array(hits, dtype=np.int64).reshape(-1, 2).T
    region = np.searchsorted(sequences.offsets, at, side="right") - 1
    hits = pd.DataFrame({"text": text, "region": region, "offset": at - sequences.offsets[region]})
    # A text that is its own reverse complement is found twice.
    return hits.drop_duplicates(ignore_index=True)


def read_examples(path: str | Path) -> pd.DataFrame:
    """Read one split of a task: columns `COLUMNS`, and `placed` (bool), whether the example has a place.

    Places with inside_start and inside_end are compared as far as these reach, for the rest of them is N; sequence and
    source may then be missing. Labels of every base are left away: they are no groups of examples.

    Raises
    ------
    InputError
        No such file, not parquet, a missing column, half a place, an end not behind its start, or an empty sequence.
    """
    try:
        schema = pq.read_schema(path)
        per_base = {name for name in schema.names if pa.types.is_list(schema.field(name).type)}
        frame = pd.read_parquet(path, columns=[name for name in schema.names if name not in per_base])
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as parquet ({error}); run the rule of its task again") from error
    if inside := {"inside_start", "inside_end"} <= set(frame):
        frame["start"] = frame[["start", "inside_start"]].max(axis=1)
        frame["end"] = frame[["end", "inside_end"]].min(axis=1)
    optional = (per_base & {"label"}) | ({"sequence", "source"} if inside else set())
    if missing := [column for column in COLUMNS if column not in frame and column not in optional]:
        raise InputError(f"{path}: has no column {', '.join(missing)}; expected {', '.join(COLUMNS)}")
    # Objects: whole numbers stay whole beside data sets without labels of examples, and no letters are still letters.
    frame = frame.reindex(columns=list(COLUMNS)).astype({"label": object, "sequence": object, "source": object})
    known = frame[["chrom", "start", "end"]].notna()
    placed = known.all(axis=1)
    for wrong, what in (
        (known.any(axis=1) & ~placed, "has only part of chrom, start and end; expected all three or none"),
        (placed & (frame["end"] <= frame["start"]), "has the place {chrom}:{start}-{end}; expected start < end"),
        (~placed & (frame["sequence"].fillna("") == ""), "has neither place nor sequence; expected one of them"),
    ):
        rows = np.flatnonzero(wrong.fillna(False).to_numpy(dtype=bool))
        if len(rows):
            raise InputError(f"{path}: row {rows[0] + 1} {what.format(**frame.iloc[rows[0]])}")
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
    holdout_chromosomes: Sequence[str] = (),
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
        Which regions pre-training uses, for training and apart from it for validation; those left over or held out are
        in none.
    region_bp : int, optional
        Models are shown only this many bases in the middle of each region.
    holdout_chromosomes : sequence of str
        Examples placed there are counted.

    Returns
    -------
    dict
        ``targets``: number of regions and distinct bases of what is compared with: ``training``, ``validation``, and
        ``training_shown`` (the middles) where `region_bp` is set. ``data_sets``: data set, split, then ``examples``,
        ``on_holdout_chromosomes``, a count for each target (examples with a place: that share a base, and their
        covered bases; without a place: that lie as a whole in one region), and the same ``by_label`` and
        ``by_source``.
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

    used = {"training": np.unique(groups.subset(TRAIN).regions), "validation": np.unique(groups.subset(VALID).regions)}
    targets = {name: (rows, regions) for name, rows in used.items()}
    if region_bp is not None:
        targets["training_shown"] = (used["training"], shown_places(regions, region_bp))

    text_of, texts = pd.factorize(frame.loc[~placed, "sequence"])
    logger.info("leakage: %d examples with a place, %d different sequences without", placed.sum(), len(texts))
    hits = find_sequences(list(texts), sequences)
    text, region, offset = (hits[column].to_numpy() for column in ("text", "region", "offset"))
    first = regions["start"].to_numpy()[region] + offset
    last = first + np.array([len(one) for one in texts], dtype=np.int64)[text]
    summary = {}
    for name, (rows, bounds) in targets.items():
        low, high = bounds["start"].to_numpy()[region], bounds["end"].to_numpy()[region]
        inside = np.isin(region, rows) & (first >= low) & (last <= high)
        places = bounds.iloc[rows]
        union = merge_overlapping(places)[0]
        summary[name] = {"regions": len(rows), "bases": int((union["end"] - union["start"]).sum())}
        is_found = np.isin(np.arange(len(texts)), text[inside])
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
