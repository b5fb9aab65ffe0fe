"""Opening VCF and BCF: one sentence for each file that is not what it should be, names of contigs, lengths.

What htslib says by itself never reaches the screen: it may quote a line of the file, with the genotypes of people.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from genebert.errors import InputError
from genebert.genome.builds import BUILD_LENGTHS, builds_with_lengths
from genebert.genome.chromosomes import by_rank, normalise_chromosome, refseq_chromosome

if TYPE_CHECKING:
    from pysam import VariantFile

logger = logging.getLogger(__name__)

VCF_ONLY = ("VCF",)
VCF_OR_BCF = ("VCF", "BCF")


@contextmanager
def reading(path: Path, expected: str) -> Iterator[None]:
    """Turn what pysam raises in the block into one sentence, and keep htslib's own messages off standard error."""
    import pysam

    verbosity = pysam.set_verbosity(0)
    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError, pysam.SamtoolsError) as error:
        raise InputError(f"{path}: cannot be read ({' '.join(str(error).split())}); expected {expected}") from error
    except NotImplementedError as error:
        # What pysam raises for gzip without blocks, in which it cannot jump.
        raise InputError(f"{path}: found gzip without blocks, expected a file compressed with `bgzip`") from error
    finally:
        pysam.set_verbosity(verbosity)


@contextmanager
def open_vcf(path: Path, formats: tuple[str, ...] = VCF_ONLY, *, samples: bool = True) -> Iterator["VariantFile"]:
    """Open a VCF, with its index where that lies beside it; what is wrong with them may show only inside the block.

    Parameters
    ----------
    formats : tuple of str
        `VCF_ONLY` or `VCF_OR_BCF`; both are compressed with bgzip.
    samples : bool
        Whether it must hold genotypes.

    Raises
    ------
    InputError
        It cannot be read, is cut short, of another format or compression, or without samples.
    """
    import pysam

    kind = " or ".join(formats)
    expected = f"a whole {kind} compressed with `bgzip`, every sample once in its header, and an index made from it"
    with reading(path, expected), pysam.VariantFile(str(path)) as vcf:
        if vcf.format not in formats or vcf.compression != "BGZF":
            found = f"{vcf.format} with the compression {vcf.compression}"
            raise InputError(f"{path}: found {found}, expected {kind} compressed with `bgzip`")
        if samples and not vcf.header.samples:
            raise InputError(f"{path}: found no sample in its header, expected the genotypes of every person")
        yield vcf


def read_samples(path: str | Path) -> list[str]:
    """Return the names of a VCF's or BCF's samples, in its order."""
    with open_vcf(Path(path), VCF_OR_BCF) as vcf:
        return list(vcf.header.samples)


def is_simulated(path: str | Path) -> bool:
    """Say whether a file's header names a simulation as its source, as this workflow's own does."""
    with open_vcf(Path(path), VCF_OR_BCF, samples=False) as vcf:
        return any(one.key == "source" and "simulat" in str(one.value).lower() for one in vcf.header.records)


def with_records(path: str | Path, places: pd.DataFrame) -> pd.DataFrame:
    """Return those of some places (chrom, start, end) in which an indexed file has a record; not all are read."""
    path, kept = Path(path), []
    with open_vcf(path, VCF_OR_BCF) as vcf:
        own = {normalise_chromosome(name): name for name in vcf.header.contigs}
        for chrom, start, end in places[["chrom", "start", "end"]].itertuples(index=False):
            kept.append(chrom in own and next(vcf.fetch(own[chrom], start, end), None) is not None)
    return places[kept]


def gives_lengths(path: Path, vcf: "VariantFile", build: str) -> bool:
    """Say whether the header gives lengths of contigs of `build` (hg19, hg38); refuse those of another build."""
    # Contigs that only the index names are among these, without a length.
    contigs = vcf.header.contigs.items()
    lengths = {normalise_chromosome(name): contig.length for name, contig in contigs if contig.length}
    given = {name: length for name, length in lengths.items() if name in BUILD_LENGTHS[build]}
    for name, length in given.items():
        if length != BUILD_LENGTHS[build][name]:
            fits = builds_with_lengths(given)
            whose = f"its contigs are those of {fits[0]}" if fits else "they fit no build"
            raise InputError(
                f"{path}: its header says that {name} is {length} bases long, in {build} it is "
                f"{BUILD_LENGTHS[build][name]}; {whose}, expected {build}"
            )
    return bool(given)


def check_index(path: Path, vcf: "VariantFile") -> None:
    """Refuse a file without an index, and tell of one that is older than the file."""
    if vcf.index is None:
        raise InputError(
            f"{path}: found no index beside it, expected {path.name}.tbi or .csi (`tabix -p vcf`, `bcftools index`)"
        )
    # That is so after some copying too; one of another file shows while records are read.
    for index in (path.with_name(f"{path.name}{ending}") for ending in (".csi", ".tbi")):
        if index.is_file() and index.stat().st_mtime < path.stat().st_mtime:
            logger.warning("%s: is older than %s; if that was changed since, make it again", index, path.name)


def contigs_of(path: Path, vcf: "VariantFile", chroms: Iterable[str], build: str) -> dict[str, list[str]]:
    """Return the file's own names of chromosomes that have records: ``20``, ``chr20``, ``NC_000020.10`` are all chr20.

    A header often names the contigs of the whole genome, whatever the file holds.

    Raises
    ------
    InputError
        A chromosome has no record, or has the RefSeq name of another build than `build`, where that is a known one.
    """
    names: dict[str, list[str]] = {}
    for name in vcf.index:
        refseq = refseq_chromosome(name)
        chrom = refseq[0] if refseq else normalise_chromosome(name)
        names.setdefault(chrom, []).append(name)
        if refseq and refseq[1] != build and build in BUILD_LENGTHS:
            raise InputError(f"{path}: its contig {name} is {chrom} of {refseq[1]}, expected those of {build}")
    found = {}
    for chrom in by_rank(chroms):
        # The index of a BCF has all contigs of the header.
        found[chrom] = [name for name in names.get(chrom, ()) if next(vcf.fetch(name), None) is not None]
        if not found[chrom]:
            held = ", ".join(by_rank(names))[:80] or "none"
            raise InputError(f"{path}: holds no record of {chrom}, where regions lie; expected some (contigs: {held})")
    return found
