"""The reference genome as FASTA: random access, and the run's chromosomes written with an index."""

import hashlib
import mmap
from pathlib import Path

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.files import atomic_path, open_text, read_json, write_json
from genebert.genome.bases import BLOCK_REGIONS, N_CODE, encode
from genebert.genome.builds import BUILD_LENGTHS, builds_with_lengths
from genebert.genome.chromosomes import normalise_chromosome, refseq_chromosome

# Bytes that count as N: letters that are no A, C, G or T; line ends are no letters.
_IS_N = encode(bytes(range(256))) == N_CODE
_IS_N[[ord("\n"), ord("\r")]] = False


class Genome:
    """Random access to an indexed FASTA file as :func:`prepare_genome` writes it, by normalised chromosome name."""

    def __init__(self, fasta: str | Path):
        from pyfaidx import Fasta, FastaIndexingError, FetchError

        self.path = Path(fasta)
        try:
            self._fasta = Fasta(str(fasta), as_raw=True, rebuild=False)
        except (OSError, FetchError, FastaIndexingError, ValueError) as error:
            raise InputError(f"{fasta}: not a readable FASTA file ({error})") from error
        self._names = {normalise_chromosome(name): name for name in self._fasta.keys()}  # noqa: SIM118
        self.lengths = {name: len(self._fasta[raw]) for name, raw in self._names.items()}

    @property
    def build(self) -> str:
        """The name of its build, from the record beside it."""
        return read_json(self.path.with_suffix(".json"))["build"]

    @property
    def all_lengths(self) -> dict[str, int]:
        """Lengths of its chromosomes, and of those that its build has besides, if it is a known one."""
        return BUILD_LENGTHS.get(self.build, {}) | self.lengths

    def codes(self, chrom: str, start: int = 0, end: int | None = None) -> np.ndarray:
        """Return base codes (uint8) of ``[start, end)`` on `chrom`.

        Raises
        ------
        InputError
            Unknown chromosome, or the interval is not inside it.
        """
        if chrom not in self._names:
            raise InputError(f"{self.path}: has no chromosome {chrom}; it holds {', '.join(list(self._names)[:5])}...")
        end = self.lengths[chrom] if end is None else end
        if not 0 <= start <= end <= self.lengths[chrom]:
            raise InputError(
                f"{self.path}: {chrom}:{start}-{end} asked for, but {chrom} is {self.lengths[chrom]} bases long"
            )
        return encode(self._fasta[self._names[chrom]][start:end])

    def count_n(self, regions: pd.DataFrame) -> np.ndarray:
        """Return how many bases of each region are N (anything but A, C, G, T), as int64 [n_regions].

        Reads only the bases of the regions, which have the columns chrom, start and end and lie inside chromosomes of
        this genome: a million regions take seconds, the whole genome half a minute.
        """
        first, last = self._file_positions(regions)
        counts = np.zeros(len(regions), dtype=np.int64)
        with self.path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as text:
            for block in range(0, len(regions), BLOCK_REGIONS):
                a, b = first[block : block + BLOCK_REGIONS], last[block : block + BLOCK_REGIONS]
                joined = b"".join([text[i:j] for i, j in zip(a.tolist(), b.tolist(), strict=True)])
                # Most blocks hold no N at all, which this shows at once.
                if joined.translate(None, b"ACGTacgt\r\n"):
                    n_at = np.flatnonzero(_IS_N[np.frombuffer(joined, dtype=np.uint8)])
                    owner = np.searchsorted(np.cumsum(b - a), n_at, side="right")
                    counts[block : block + BLOCK_REGIONS] = np.bincount(owner, minlength=len(a))
                # Pages that were read count as this process's memory, 3 GB for a whole genome, until given back.
                text.madvise(mmap.MADV_DONTNEED)
        return counts

    def _file_positions(self, regions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return where in the file the first base of each region is, and where the byte after its last base."""
        codes, chroms = pd.factorize(regions["chrom"])
        lines = [self._fasta.faidx.index[self._names[chrom]] for chrom in chroms]
        table = np.array([(line.offset, line.lenc, line.lenb) for line in lines]).reshape(len(lines), 3)
        offset, bases, width = table[codes].T
        ends = regions["start"].to_numpy(), regions["end"].to_numpy() - 1
        first, last = (offset + base // bases * width + base % bases for base in ends)
        return first, last + 1


def _copy_chromosomes(source: Path, target: Path, wanted: list[str]) -> tuple[dict[str, int], dict[str, str]]:
    """Write the wanted chromosomes under their normalised names; return their lengths and md5 sums.

    The file is read to its end: a name may come again there, and gzip data tell with their last bytes whether they are
    whole.
    """
    lengths, digests, found = {}, {}, []
    with open_text(source) as handle, target.open("wb") as out:
        name = None
        for line in handle:
            if line.startswith(">"):
                found.append((line[1:].split() or [""])[0])
                name = (refseq_chromosome(found[-1]) or [normalise_chromosome(found[-1])])[0]
                if name in lengths:
                    raise InputError(f"{source}: chromosome {name} comes twice; expected it once")
                if name in wanted:
                    lengths[name], digests[name] = 0, hashlib.md5()
                    out.write(b">" + name.encode() + b"\n")
            elif name in wanted and (bases := line.strip().encode("ascii", "replace")):
                lengths[name] += len(bases)
                digests[name].update(bases.upper())
                out.write(bases + b"\n")
            elif name is None and line.strip():
                raise InputError(f"{source}: begins with {line.strip()[:40]!r}; expected FASTA, as the line >chr1")
    if missing := [name for name in wanted if name not in lengths]:
        some = f"{', '.join(found[:5])}{' ...' if len(found) > 5 else ''}" if found else "no sequence"
        raise InputError(
            f"{source}: chromosomes {', '.join(missing)} not found; config asks for them, but the file holds {some}"
        )
    if empty := [name for name, length in lengths.items() if not length]:
        raise InputError(f"{source}: {empty[0]} has a name but no bases; expected its sequence")
    return lengths, {name: digest.hexdigest() for name, digest in digests.items()}


def prepare_genome(source: str | Path, output: str | Path, build: str, chromosomes: list[str]) -> dict:
    """Write the wanted chromosomes as plain FASTA with normalised names, with an index beside it.

    Works on plain, gzip and bgzip input, in one pass and one line at a time; the input folder may be read-only. Letters
    keep their case. Names may be UCSC's, Ensembl's (``20``) or RefSeq's (``NC_000020.10``).

    Parameters
    ----------
    source, output : path
        FASTA of the reference genome, and ``genome.fa``; ``genome.fa.fai`` and ``genome.json`` (build, lengths, md5 of
        each upper-cased sequence, as `samtools dict` computes it; this is returned) are written beside it.
    build : str
        ``hg19``, ``hg38``: chromosome lengths are compared with the known ones. Any other name: not checked.
    chromosomes : list of str
        Normalised names.

    Raises
    ------
    InputError
        No such file, truncated gzip, no FASTA, lines of unequal length, missing or empty chromosome, or lengths of
        another build.
    """
    from pyfaidx import Faidx, FastaIndexingError

    source, output = Path(source), Path(output)
    with atomic_path(output) as fasta, atomic_path(output.with_name(f"{output.name}.fai")) as index:
        lengths, digests = _copy_chromosomes(source, fasta, chromosomes)
        for name, length in lengths.items():
            expected = BUILD_LENGTHS.get(build, {}).get(name, length)
            if length != expected:
                other = builds_with_lengths({name: length})
                raise InputError(
                    f"{source}: {name} is {length} bases long, but {build} has {expected}"
                    + (
                        f"; this is {other[0]}"
                        if other
                        else f"; wrong genome build, or a part of {build}: give that "
                        f"a name of its own (genome.build: {build}-part), whose lengths are not checked"
                    )
                )
        try:
            Faidx(str(fasta), str(index), rebuild=True).close()
        except FastaIndexingError as error:
            reason = str(error).replace(str(fasta), output.name)
            raise InputError(f"{source}: cannot be indexed ({reason}); expected lines of equal length") from error
    info = {"build": build, "source": source.name, "lengths": lengths, "md5": digests}
    write_json(output.with_suffix(".json"), info)
    return info
