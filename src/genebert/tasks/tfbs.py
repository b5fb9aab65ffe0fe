"""The TF-binding task: windows at ChIP-seq summits against shuffles of themselves or other genomic windows.

As DeepBind's sets behind the paper's Tables 2 and 6 (docs/facts.md 31): 101 bases at the summit, the even ones of the
1,000 strongest peaks as test set, one dinucleotide-preserving shuffle for every peak.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.genome.bases import N_CODE
from genebert.genome.bed import read_chip_peaks
from genebert.genome.builds import check_regions
from genebert.genome.fasta import Genome
from genebert.genome.intervals import overlapping, sort_regions
from genebert.paper import TABLE2, TABLE6
from genebert.settings.fields import Block, key
from genebert.settings.rules import Chromosome, DataSetName, FilePath, ProperShare, Rule, Seed
from genebert.settings.sentences import suggest
from genebert.sources.registry import in_506, read_tfbs_list
from genebert.tasks.base import Sources, Task
from genebert.tasks.splits import (
    chromosome_split,
    list_problems,
    make_examples,
    missing_lists,
    on_chromosomes,
    place_names,
    write_task,
)
from genebert.tasks.windows import gc_counts, genomic_windows, shuffle_dinucleotides, window_codes

logger = logging.getLogger(__name__)
RANKED = 1000  # DeepBind: the even ranks up to here are the test set
GC_TOLERANCE = 0.01
MIN_LENGTH = 20
# Streams of random numbers: one for each use, so that one choice does not change the others; see tasks.windows.
ORDER, VALID = 1, 2
SHUFFLED = "dinucleotide-preserving shuffle of each peak's window, first and last base kept"
PAIR = ("differs_from", "against")  # keys of a set of peaks that another one does not have


@dataclass(frozen=True)
class TfbsSettings(Block):
    """How a TF-binding set is made."""

    block = "tasks.tfbs"

    seed: Seed = key(42, internal=True)
    length: Annotated[int, Rule(at_least=MIN_LENGTH)] = key(
        101, "bases round the summit; without summit round the peak's middle"
    )
    negatives: Literal["shuffle", "genomic"] = key(
        "shuffle", "shuffle (dinucleotides kept), or genomic (equal GC content, outside peaks)"
    )
    split: Literal["ranks", "chromosome"] = key(
        "ranks", "ranks (DeepBind's: even ranks up to 1,000 are the test set), or chromosome"
    )
    valid_fraction: ProperShare = key(0.1, "of the training peaks; for ranks")
    test_chromosomes: list[Chromosome] = key([], "for chromosome")
    valid_chromosomes: list[Chromosome] = key([], "all others are for training")

    def check(self) -> Iterator[str]:
        """What the split needs."""
        return missing_lists(self)


@dataclass(frozen=True)
class OwnPeaks(Block):
    """A set of one's own."""

    block = "tasks.tfbs.own"

    peaks: FilePath = key(doc="narrowPeak or BED")
    factor: Annotated[str, Rule(some=True, expected="the name of a factor")] = key(doc="as JASPAR names it")
    cell: str = key("", "cell type")
    tissue: str = key("", "tissue")
    differs_from: DataSetName | None = key(
        None,
        "another set: only peaks that overlap none of its peaks",
        more="Such a set stands in rows of tables that name it (table6_extended), not in those of all TFBS sets.",
    )
    against: Literal["shuffle", "other"] = key(
        "shuffle", "with differs_from: shuffles of these peaks, or the other set's peaks that overlap none of this one"
    )

    def check(self) -> Iterator[str]:
        """Peaks of another set need that set."""
        if self.against == "other" and self.differs_from is None:
            yield "against: found other, but no differs_from; expected the other set's name there"


@dataclass(frozen=True)
class TfbsSection(TfbsSettings):
    """The sets, and what they share."""

    data_sets: Annotated[
        str | list[Annotated[str, Rule(some=True, expected="a name of config/tfbs.tsv")]],
        Rule(unique=True, expected="table2, all_506 or a list of names of config/tfbs.tsv"),
    ] = key(
        "table2",
        "table2 (the paper's nine), all_506 (UCSC's untreated ones of good quality), or names of config/tfbs.tsv",
    )
    folder: FilePath = key("{data}/tfbs", "where their files lie")
    own: dict[DataSetName, OwnPeaks] = key({}, "further sets: name -> {peaks, factor, cell, tissue}")
    transfer: Annotated[
        str | list[Annotated[str, Rule(some=True, expected="the name of a TFBS data set")]],
        Rule(unique=True, expected="table6, all or a list of data sets"),
    ] = key("table6", "train on one set, test on the others: table6 (its seven), all, or names ([]: none)")


def rank_peaks(peaks: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, str]:
    """Sort peaks by signal, the strongest first; equal ones by place.

    Returns
    -------
    DataFrame
    str
        By what they are ranked: ``signal``, or a seeded random order and why.
    """
    peaks = peaks.iloc[sort_regions(peaks)].reset_index(drop=True)
    signal = peaks["signal"].to_numpy()
    if np.isnan(signal).all():
        ranked_by = "random order, the file has no signal"
    elif len(peaks) > 1 and (signal == signal[0]).all():
        ranked_by = f"random order, the signal of all peaks is {signal[0]:g}"
    else:
        return peaks.iloc[np.argsort(-signal, kind="stable")].reset_index(drop=True), "signal"
    order = np.random.default_rng([seed, ORDER]).permutation(len(peaks))
    return peaks.iloc[order].reset_index(drop=True), ranked_by


def rank_split(number: int, valid_fraction: float, seed: int) -> np.ndarray:
    """Return the split (str [number]) of ranks 1 to `number`: even ones up to 1,000 test, some of the others valid."""
    ranks = np.arange(1, number + 1)
    split = np.where((ranks % 2 == 0) & (ranks <= RANKED), "test", "train").astype("<U5")
    rest = np.random.default_rng([seed, VALID]).permutation(np.flatnonzero(split == "train"))
    split[rest[: round(valid_fraction * len(rest))]] = "valid"
    return split


def _positives(
    settings: TfbsSettings, path: Path, listed: pd.DataFrame, genome: Genome, chromosomes: list[str]
) -> tuple[pd.DataFrame, np.ndarray, dict]:
    """Return the windows that can be used (chrom, start, end; best rank first), their codes and the card's counts."""
    here = on_chromosomes(listed, chromosomes, path, "peaks")
    beyond = check_regions(listed[["chrom", "start", "end"]], genome.all_lengths, path, genome.build, chromosomes)
    peaks, ranked_by = rank_peaks(here[~beyond[here.index]], settings.seed)
    start = peaks["centre"] - settings.length // 2
    windows = pd.DataFrame({"chrom": peaks["chrom"], "start": start, "end": start + settings.length})
    codes, inside = window_codes(genome, windows, settings.length)
    with_n = inside & (codes == N_CODE).any(axis=1)
    again = inside & ~with_n & windows.duplicated().to_numpy()
    used = inside & ~with_n & ~again
    if not used.any():
        raise InputError(
            f"{path}: the windows of all {len(peaks)} peaks have N in or run out of {genome.path}; expected some "
            "without"
        )
    middle = int((~peaks["has_summit"][used]).sum())
    counts = {
        "listed": len(listed),
        "columns": listed.attrs["columns"],
        "outside_chromosomes": len(listed) - len(here),
        "beyond_end": len(here) - len(peaks),
        "off_the_end": int((~inside).sum()),
        "with_n": int(with_n.sum()),
        "same_window_as_a_better_peak": int(again.sum()),
        "used": int(used.sum()),
        "without_summit": middle,
        "centred_on": "summit" if middle == 0 else "middle" if middle == used.sum() else "summit, middle where none",
        "ranked_by": ranked_by,
    }
    return windows[used].reset_index(drop=True), codes[used], counts


def _build(settings: TfbsSettings, about: dict[str, str], sources: Sources, folder: Path) -> dict[str, Any]:
    """Write one set; `about` (factor, cell and tissue) says on the card what was measured and where."""
    path, genome, seed = sources.files["peaks"], Genome(sources.genome), settings.seed
    listed = read_chip_peaks(path)
    windows, codes, counts = _positives(settings, path, listed, genome, sources.chromosomes)
    if settings.split == "chromosome":
        lists = settings.test_chromosomes, settings.valid_chromosomes
        split = chromosome_split(windows["chrom"], *lists, sources.chromosomes, "tasks.tfbs")
    else:
        split = rank_split(len(windows), settings.valid_fraction, seed)
    parent = place_names(windows)
    positives = make_examples(codes, 1, "peak", **windows, strand="+", parent=parent)
    if settings.negatives == "shuffle":
        shuffled = shuffle_dinucleotides(codes, seed)
        negatives = make_examples(shuffled, 0, "shuffled", parent=parent)
        made = {"rule": SHUFFLED,
                "same_sequence_as_the_peak": int((shuffled == codes).all(axis=1).sum())}  # fmt: skip
    else:
        gc = gc_counts(codes)
        taken = pd.concat([listed[["chrom", "start", "end"]], windows], ignore_index=True)
        places, drawn = genomic_windows(genome, windows, gc, taken, settings.length, seed)
        negatives = make_examples(drawn, 0, "genomic", **places, strand="+", parent=parent)
        # Whole bases: 1.01 of 101 allow one more or less.
        off = int((np.abs(gc_counts(drawn) - gc) > GC_TOLERANCE * settings.length).sum())
        made = {"rule": "window of the same chromosome outside all peaks, GC content within 1 percentage point",
                "gc_farther_off": off}  # fmt: skip
        if off:
            logger.warning("%s: %d of %d genomic negatives differ by more than 1 %% in GC", path, off, len(gc))
    in_test = split == "test"
    card = {
        "task": "tfbs",
        **about,
        "settings": asdict(settings),
        "files": {"peaks": path.name, "genome": genome.path.name},
        "peaks": counts,
        "negatives": made,
        "test_windows_overlapping_training": int(overlapping(windows[in_test], windows[~in_test]).sum()),
    }
    return write_task(pd.concat([positives, negatives], ignore_index=True), np.tile(split, 2), folder, card)


def _differing(
    settings: TfbsSettings, about: dict[str, str], pair: dict[str, str], sources: Sources, folder: Path
) -> dict[str, Any]:
    """Write a set of peaks that another one does not have, against their shuffles or that one's own such peaks.

    `pair` is `differs_from` and `against`.
    """
    path, other, genome = sources.files["peaks"], sources.files["other_peaks"], Genome(sources.genome)
    listed, theirs = read_chip_peaks(path), read_chip_peaks(other)
    pairs = ((listed, theirs), (theirs, listed))
    only = [own[~overlapping(own, others)].reset_index(drop=True) for own, others in pairs]
    needed = (True, pair["against"] == "other")
    for here, where, others, wanted in zip(only, (path, other), (other, path), needed, strict=True):
        if here.empty and wanted:
            raise InputError(f"{where}: all of its peaks overlap those of {others}; expected some that do not")
    windows, codes, counts = _positives(settings, path, only[0], genome, sources.chromosomes)
    peaks = {**counts, "listed_with_shared": len(listed)}
    if pair["against"] == "other":
        away, drawn, of_other = _positives(settings, other, only[1], genome, sources.chromosomes)
        n = min(len(windows), len(away))  # the strongest of both, pair by pair
        windows, codes, away, drawn = windows.iloc[:n], codes[:n], away.iloc[:n], drawn[:n]
        made = {"rule": f"peaks of {pair['differs_from']} that overlap no peak of this set", "peaks": of_other}
    else:
        away, drawn = None, shuffle_dinucleotides(codes, settings.seed)
        made = {"rule": SHUFFLED}
    parent = place_names(windows)
    positives = make_examples(codes, 1, "peak", **windows, strand="+", parent=parent)
    places = {} if away is None else {**away, "strand": "+"}
    source = "shuffled" if away is None else "peak-of-other"
    negatives = make_examples(drawn, 0, source, **places, parent=parent)
    if settings.split == "chromosome":
        lists = settings.test_chromosomes, settings.valid_chromosomes
        both = pd.concat([windows["chrom"], (windows if away is None else away)["chrom"]])
        split = chromosome_split(both, *lists, sources.chromosomes, "tasks.tfbs")
    else:
        split = np.tile(rank_split(len(windows), settings.valid_fraction, settings.seed), 2)
    card = {
        "task": "tfbs",
        **about,
        **pair,
        "settings": asdict(settings),
        "files": {"peaks": path.name, "other_peaks": other.name, "genome": genome.path.name},
        "peaks": peaks,
        "negatives": made,
    }
    return write_task(pd.concat([positives, negatives], ignore_index=True), split, folder, card)


def listed_sets(names: Sequence[str] | str, entries: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    """Return name -> row of ``tfbs.tsv``; of files with one name the first untreated one of good quality."""
    first: dict[str, dict[str, str]] = {}
    for entry in sorted(entries, key=lambda entry: not in_506(entry)):  # stable: else in the list's order
        first.setdefault(entry["name"], entry)
    if names == "all_506":
        return {name: entry for name, entry in first.items() if in_506(entry)}
    names = TABLE2 if names == "table2" else names
    if isinstance(names, str):
        raise InputError(f"tasks.tfbs.data_sets: found {names!r}, expected table2, all_506 or a list of names")
    for name in names:
        if name not in first:
            raise InputError(f"tasks.tfbs.data_sets: unknown name {name}; {suggest(name, first)}")
    return {name: first[name] for name in names}


class TfbsTask(Task):
    """Transcription-factor binding sites."""

    name = "tfbs"
    section = TfbsSection
    default: ClassVar = {}
    has_factor = True

    def data_sets(self, section: dict[str, Any], config: Path) -> dict[str, dict[str, Any]]:
        """Return the sets with their peaks, factor, cell and tissue, the shared settings, and `transfer`."""
        shared = {name: section[name] for name in section if name not in ("data_sets", "folder", "own", "transfer")}
        sets: dict[str, dict[str, Any]] = {}
        for name, entry in listed_sets(section["data_sets"], read_tfbs_list(config / "tfbs.tsv")).items():
            about = {column: entry[column] for column in ("factor", "cell", "tissue")}
            sets[name] = {"peaks": f"{section['folder']}/{entry['file']}", **about}
        for name, own in section["own"].items():
            if name in sets:
                raise InputError(f"tasks.tfbs.own: found {name}, which data_sets has too; expected another name")
            sets[name] = {key: value for key, value in own.items() if key not in PAIR}
        for name, own in section["own"].items():
            if (other := own.get("differs_from")) is not None:
                if other not in sets or other == name:
                    why = f"found {other}, {'itself' if other == name else 'which is no set'}"
                    raise InputError(f"tasks.tfbs.own.{name}.differs_from: {why}; {suggest(other, sets)}")
                pair = {key: own[key] for key in PAIR}
                sets[name] |= {**pair, "other_peaks": sets[other]["peaks"], "extended": True}
        wanted = section["transfer"]
        if wanted in ("table6", "all"):
            wanted = [
                name for name, own in sets.items() if (wanted == "all" or name in TABLE6) and not own.get("extended")
            ]
        elif isinstance(wanted, str):
            raise InputError(f"tasks.tfbs.transfer: found {wanted!r}, expected table6, all or a list of data sets")
        for name in wanted:
            if name not in sets:
                raise InputError(f"tasks.tfbs.transfer: unknown data set {name}; {suggest(name, sets)}")
        return {
            name: {**own, **shared, "transfer": [other for other in wanted if other != name] if name in wanted else []}
            for name, own in sets.items()
        }

    def problems(self, sets: dict[str, dict[str, Any]], chromosomes: list[str]) -> Iterator[str]:
        """Say which lists of chromosomes do not fit the run."""
        for settings in sets.values():
            yield from list_problems(settings, chromosomes, "tasks.tfbs")

    def files(self, settings: dict[str, Any]) -> dict[str, str]:
        """Return the peaks, and those that they are to differ from."""
        return {name: settings[name] for name in ("peaks", "other_peaks") if name in settings}

    def bases(self, settings: dict[str, Any]) -> int:
        """Return the bases of a window."""
        return settings["length"]

    def build(self, settings: dict[str, Any], sources: Sources, folder: Path) -> dict[str, Any]:
        """Write one set; a peak and its negative are in the same split.

        Raises
        ------
        InputError
            A file that cannot be read as described, no peak that can be used, peaks of another genome build, chromosome
            lists that do not fit, or too few peaks to fill all splits.
        """
        about = {name: settings[name] for name in ("factor", "cell", "tissue")}
        pair = {name: settings[name] for name in PAIR if name in settings}
        left = {"peaks", "other_peaks", "extended", *about, *pair}
        made = TfbsSettings(seed=sources.seed, **{name: one for name, one in settings.items() if name not in left})
        return _differing(made, about, pair, sources, folder) if pair else _build(made, about, sources, folder)


TASK = TfbsTask()
