"""Variants and genotypes of a VCF or BCF in some regions: read, compared with the genome, split and normalised.

What is done with every kind of allele and genotype is the table of docs/variants.md. Messages and logs hold numbers,
places and alleles, never the name of a sample or a genotype.

Genotypes are taken from the text that htslib makes of a record: pysam's own way, an object a genotype, takes four times
as long (docs/variants.md).
"""

import logging
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.genome.alleles import SPANNING, has_bases, normalise
from genebert.genome.bases import encode
from genebert.genome.builds import BUILD_LENGTHS, SHARE, check_regions
from genebert.genome.chromosomes import by_rank, chromosome_rank
from genebert.genome.fasta import Genome
from genebert.genome.genotypes import COUNTS, MISSING, Genotypes, GenotypeTable
from genebert.genome.intervals import join_touching
from genebert.genome.vcf import VCF_OR_BCF, check_index, contigs_of, gives_lengths, open_vcf
from genebert.settings.variants import VariantSettings

if TYPE_CHECKING:
    from pysam import VariantFile, VariantRecord

logger = logging.getLogger(__name__)

MARGIN = 1000  # bases around regions in which records may lie that normalising moves into one
SITE_COLUMNS = ("chrom", "start", "end", "ref", "alt", "id")
GENOTYPE_COLUMN = 9  # of a line of a VCF


class _Found(NamedTuple):
    """One alternative allele."""

    place: tuple[str, int, int, str, str]  # chrom, start, end, ref, alt
    name: str
    calls: np.ndarray
    haploid: np.ndarray
    phased: np.ndarray


class _Reader:
    """Takes one record after another, and keeps what lies in the regions."""

    def __init__(self, path: Path, genome: Genome, settings: VariantSettings, regions: pd.DataFrame):
        self.path, self.genome, self.settings = path, genome, settings
        self.counts: Counter[str] = Counter()
        self.found: list[_Found] = []
        self.compared = 0
        self._bounds = {
            chrom: (rows["start"].tolist(), rows["end"].tolist()) for chrom, rows in regions.groupby("chrom")
        }
        self._table = GenotypeTable()

    def _inside(self, chrom: str, start: int, end: int) -> bool:
        """Say whether a place shares a base with a region."""
        starts, ends = self._bounds[chrom]
        before = bisect_left(starts, end)
        return before > 0 and ends[before - 1] > start

    def add(self, chrom: str, record: "VariantRecord", people: np.ndarray | None) -> None:
        """Take a record; `people` (int64 [n_samples]) are columns of genotypes, or None for sites alone."""
        ref, alts = record.ref.upper(), [alt.upper() for alt in record.alts or ()]
        # That of an allele without bases may stand in INFO/END, far from its first base.
        end = record.start + len(ref) if all(map(has_bases, alts)) else max(record.stop, record.start + len(ref))
        inside = self._inside(chrom, record.start, end)
        if not inside and not any(has_bases(alt) and len(alt) != len(ref) for alt in alts):
            return  # nothing moves it
        counts = self.counts if inside else Counter()  # what only might have moved in is not counted
        counts["records"] += 1
        if self.settings.filters == "passed" and set(record.filter.keys()) - {"PASS", "."}:
            counts["filtered"] += 1
            return
        if not alts:
            counts["no_alternative"] += 1
            return
        self.compared += inside
        if not self._is_ref(chrom, record.start, ref, alts, counts):
            return
        alleles, haploid, phased = self._genotypes(chrom, record, len(alts), people)
        unknown = int((alleles < 0).sum()) - int(haploid.sum())
        if unknown > self.settings.max_missing * (alleles.size - int(haploid.sum())):
            counts["too_missing"] += 1
            return
        counts["phase_sets"] += "PS" in record.format
        for number, alt in enumerate(alts, 1):
            carried = alleles == number
            # Beside the regions nothing is refused.
            if self._is_sequence(chrom, record.start, ref, alt, int(carried.sum()) * inside, counts):
                calls = np.where(alleles < 0, MISSING, carried).astype(np.int8)
                self._keep((chrom, record.start, ref, alt), record.id or ".", (calls, haploid, phased), counts)

    def _is_ref(self, chrom: str, start: int, ref: str, alts: list[str], counts: Counter) -> bool:
        """Compare REF with the genome; count those that differ, and which of these have it as their alternative."""
        end = start + len(ref)
        exists = start >= 0 and end <= self.genome.lengths[chrom]
        there = self.genome.codes(chrom, start, end) if exists else encode("")
        if np.array_equal(there, encode(ref)):
            return True
        counts["other_ref"] += 1
        counts["swapped_ref"] += len(ref) == 1 and any(np.array_equal(there, encode(alt)) for alt in alts)
        return False

    def _genotypes(
        self, chrom: str, record: "VariantRecord", n_alts: int, people: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return alleles (int16 [n_samples, 2]), and who is haploid and phased (bool [n_samples])."""
        if people is None:
            return np.zeros((0, 2), np.int16), np.zeros(0, bool), np.zeros(0, bool)
        where = f"{self.path}: the record at {chrom}:{record.start + 1}"
        columns = str(record).rstrip("\n").split("\t")
        form, *texts = columns[GENOTYPE_COLUMN - 1 :] or ["nothing"]
        if form.partition(":")[0] != "GT":
            raise InputError(f"{where} has {form[:80]} as its FORMAT, expected GT in it, as the first")
        if ":" in form:
            texts = [text.partition(":")[0] for text in texts]
        table = self._table
        codes = np.array([table[text] for text in texts])[people]
        rows = np.array(table.rows, dtype=np.int16)[codes]
        if (rows[:, 2] > 2).any():
            raise InputError(f"{where} has genotypes of {rows[:, 2].max()} alleles, expected one or two a person")
        if (rows[:, :2] > n_alts).any():
            raise InputError(f"{where} has genotypes of an allele beyond its {n_alts} alternatives, expected none")
        return rows[:, :2], rows[:, 2] == 1, rows[:, 3] == 1

    def _is_sequence(self, chrom: str, start: int, ref: str, alt: str, carried: int, counts: Counter) -> bool:
        """Say whether an alternative is one that can be put in; count, or refuse, the others."""
        if has_bases(alt):
            counts["same_as_ref"] += alt == ref
            return alt != ref
        if alt == SPANNING:
            counts["spanning"] += 1
            return False
        if carried and self.settings.symbolic == "refuse":
            raise InputError(
                f"{self.path}: {alt[:40]} at {chrom}:{start + 1}, which {carried} haplotypes carry, has no bases; "
                f"expected alleles of A, C, G, T; {self.settings.block}.symbolic: drop gives the reference there"
            )
        counts["symbolic"] += 1
        counts["symbolic_carried"] += carried
        return False

    def _keep(
        self, place: tuple[str, int, str, str], name: str, calls: tuple[np.ndarray, ...], counts: Counter
    ) -> None:
        """Keep an allele where its normalised place lies in a region."""
        chrom, at, ref, alt = place
        start, ref, alt = normalise(chrom, at, ref, alt, self.genome)
        if not self._inside(chrom, start, start + len(ref)):
            counts["moved_out"] += 1
            return
        self.counts["moved"] += start != at
        self.found.append(_Found((chrom, start, start + len(ref), ref, alt), name, *calls))


def _check_refs(reader: _Reader, build: str) -> None:
    """Refuse a file of which more than one record, and more than 1 %, has another REF than the genome."""
    other, swapped, compared = reader.counts["other_ref"], reader.counts["swapped_ref"], reader.compared
    if other <= max(1, SHARE * compared):
        return
    found = f"{other} of {compared} records have another REF than the genome {build}"
    # By chance a third of wrong bases are the alternative.
    if 2 * swapped > other:
        raise InputError(
            f"{reader.path}: {found}, {swapped} of them have its base as ALT; REF and ALT look swapped, expected REF "
            "as in the genome (`bcftools +fixref`, `plink2 --ref-from-fa`)"
        )
    raise InputError(
        f"{reader.path}: {found}, {swapped} of them have its base as ALT; are these coordinates of another genome "
        f"build? expected {build}"
    )


def _merged(reader: _Reader, found: list[_Found]) -> list[_Found]:
    """Return alleles sorted by place; one of each, where several records hold the same.

    Where one knows what the other does not, it is taken; where they contradict each other, the allele is left out, and
    the file refused if that is so of more than one, and of more than 1 %.
    """
    # Stable, so that alleles of one place stay in the file's order, as with `bcftools norm`.
    found = sorted(found, key=lambda one: (chromosome_rank(one.place[0]), one.place[1]))
    groups: dict[tuple, list[_Found]] = {}
    for one in found:
        groups.setdefault(one.place, []).append(one)
    kept, conflicting = [], 0
    for same in groups.values():
        first = same[0]
        for other in same[1:]:
            unknown = (first.calls == MISSING) | (other.calls == MISSING)
            if (first.haploid != other.haploid).any() or ((first.calls != other.calls) & ~unknown).any():
                conflicting += 1
                break
            better = (first.calls == MISSING).any(axis=1)
            calls = np.where(first.calls == MISSING, other.calls, first.calls)
            first = first._replace(calls=calls, phased=np.where(better, other.phased, first.phased | other.phased))
        else:
            reader.counts["duplicates_merged"] += len(same) - 1
            kept.append(first)
    reader.counts["duplicates_conflicting"] = conflicting
    if conflicting > max(1, SHARE * len(groups)):
        raise InputError(
            f"{reader.path}: {conflicting} of {len(groups)} alleles come in several records with different genotypes, "
            "expected each once (`bcftools norm -d exact`)"
        )
    return kept


def _records(
    vcf: "VariantFile", path: Path, contigs: dict[str, list[str]], regions: pd.DataFrame, lengths: dict[str, int]
) -> Iterator[tuple[str, "VariantRecord"]]:
    """Yield the records around all regions, each once."""
    wide = regions.assign(start=(regions["start"] - MARGIN).clip(lower=0), end=regions["end"] + MARGIN)
    read_to: dict[str, int] = {}
    for chrom, start, end in join_touching(wide).itertuples(index=False):
        for contig in contigs[chrom]:
            last = -1
            for record in vcf.fetch(contig, start, min(end, lengths[chrom])):
                if record.start < last:
                    raise InputError(
                        f"{path}: the record at {chrom}:{record.start + 1} comes after one at {last + 1}, expected "
                        "records sorted by place and an index made from them"
                    )
                last = record.start
                # One that reaches into this stretch from the one before was read there.
                if record.start >= read_to.get(chrom, 0):
                    yield chrom, record
        read_to[chrom] = end


def _columns(path: Path, vcf: "VariantFile", samples: Sequence[str] | None) -> tuple[list[str], np.ndarray | None]:
    """Have htslib read only the genotypes of `samples`; return their names and their columns among these."""
    held = list(vcf.header.samples)
    if samples is None:
        return held, np.arange(len(held))
    wanted = set(samples)
    if len(wanted) < len(samples):
        raise InputError(f"{path}: {len(samples) - len(wanted)} samples are asked for twice, expected each once")
    if missing := len(wanted - set(held)):
        raise InputError(
            f"{path}: {missing} of the {len(samples)} samples asked for are not among its {len(held)}, expected all"
        )
    order = [name for name in held if name in wanted]
    vcf.subset_samples(order)
    if not wanted:
        return [], None
    column = {name: i for i, name in enumerate(order)}
    return list(samples), np.array([column[name] for name in samples])


def _said(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {counts[name]}" for name in COUNTS if counts.get(name))


def _tell(path: Path, counts: dict[str, int]) -> None:
    """Log what was dropped or changed."""
    logger.info("%s: %s", path, _said(counts))
    if counts["phase_sets"]:
        logger.warning(
            "%s: %d records name phase sets (PS), which are not read: alleles of different sets lie together by chance",
            path, counts["phase_sets"],
        )  # fmt: skip


def read_genotypes(
    path: str | Path,
    regions: pd.DataFrame,
    genome: Genome,
    samples: Sequence[str] | None = None,
    settings: VariantSettings | None = None,
) -> Genotypes:
    """Read the variants that share a base with a region, and who carries them.

    Parameters
    ----------
    path : path
        VCF compressed with bgzip, with its tabix or CSI index, or BCF with its index. Contigs may have the names of
        UCSC, Ensembl (``20``) or RefSeq (``NC_000020.10``).
    regions : DataFrame
        Columns chrom (normalised), start, end (0-based half-open), in any order; may overlap.
    genome : Genome
        REF is compared with it.
    samples : sequence of str, optional
        Whose genotypes, in this order; all people of the file by default. ``[]`` reads sites alone, also from a file
        without genotypes: `calls` is then [n_sites, 0, 2].
    settings : VariantSettings, optional

    Returns
    -------
    Genotypes
        Alternatives are split, left-aligned and trimmed as by `bcftools norm -m -any -f`.

    Raises
    ------
    InputError
        The file cannot be read, has no index, no genotypes, none of the regions' chromosomes, no variant in the
        regions, lacks samples, is of another build or has REF and ALT swapped; or holds what the settings refuse. The
        sentence tells numbers and places only.
    """
    path, settings = Path(path), settings or VariantSettings()
    build = genome.build
    check_regions(regions, genome.lengths, f"regions of {path.name}", build)
    if other := [chrom for chrom in regions["chrom"].unique() if chrom not in genome.lengths]:
        held = ", ".join(by_rank(genome.lengths))[:80]
        raise InputError(f"regions of {path.name}: some lie on {other[0]}, expected chromosomes of the genome: {held}")
    regions = join_touching(regions)
    reader = _Reader(path, genome, settings, regions)
    with open_vcf(path, VCF_OR_BCF, samples=samples is None) as vcf:
        check_index(path, vcf)
        if build in BUILD_LENGTHS:
            gives_lengths(path, vcf, build)
        names, people = _columns(path, vcf, samples)  # before any record is read
        contigs = contigs_of(path, vcf, regions["chrom"].unique(), build)
        for chrom, record in _records(vcf, path, contigs, regions, genome.lengths):
            reader.add(chrom, record, people)
    if not reader.counts["records"]:
        raise InputError(
            f"{path}: no record in any of the {len(regions)} regions, expected some, and an index made from the file"
        )
    _check_refs(reader, build)
    if not reader.found:
        raise InputError(
            f"{path}: no alternative allele is left in the {len(regions)} regions ({_said(reader.counts)}), expected "
            "some"
        )
    return _assembled(reader, names, regions)


def _assembled(reader: _Reader, names: list[str], regions: pd.DataFrame) -> Genotypes:
    """Put alleles together, after what only shows when all are there."""
    found = _merged(reader, reader.found)
    shape = (len(found), len(names))
    calls = np.array([one.calls for one in found], dtype=np.int8).reshape(*shape, 2)
    haploid, phased = (
        np.array([getattr(one, name) for one in found], dtype=bool).reshape(shape) for name in ("haploid", "phased")
    )
    rows = [(*one.place, one.name) for one in found]
    sites = pd.DataFrame(rows, columns=list(SITE_COLUMNS)).astype({"start": np.int64, "end": np.int64})
    # A person with two alternatives of one site is counted at both.
    unphased = int((~phased).sum())
    key = f"{reader.settings.block}.unphased"
    if unphased and reader.settings.unphased == "refuse":
        raise InputError(
            f"{reader.path}: {unphased} heterozygous genotypes of {int((~phased).any(axis=1).sum())} alleles are not "
            f"phased, expected 0|1 in place of 0/1; phase them (SHAPEIT, Beagle, Eagle), or {key}: first takes the "
            "allele written first as that of the first haplotype"
        )
    counts = dict.fromkeys(COUNTS, 0) | dict(reader.counts)
    counts |= {"alleles": len(reader.found), "unphased_heterozygous": unphased, "haploid": int(haploid.sum())}
    genotypes = Genotypes(names, sites, calls, haploid, phased, regions, counts)
    counts["missing_alleles"] = int(genotypes.missing.sum())
    _tell(reader.path, counts)
    return genotypes
