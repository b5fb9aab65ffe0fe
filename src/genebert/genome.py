"""Reference genome, region sequences and their base codes.

Bases are stored as uint8 codes: A 0, C 1, G 2, T 3, everything else (N, IUPAC codes) 4. Soft-masked (lower-case) bases
get the code of their upper-case letter (docs/facts.md 13). Coordinates are 0-based half-open; chromosome names carry
the ``chr`` prefix.
"""

import hashlib
import mmap
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from genebert.chromosomes import chromosome_rank, normalise_chromosome
from genebert.errors import InputError
from genebert.files import atomic_path, open_plain_or_gzip, read_json, write_json

BASES = "ACGTN"
N_CODE = 4
_BLOCK_REGIONS = 1 << 16

_ENCODE = np.full(256, N_CODE, dtype=np.uint8)
for _code, _base in enumerate("ACGT"):
    _ENCODE[ord(_base)] = _ENCODE[ord(_base.lower())] = _code
# Letters that are no A, C, G or T count as N; line ends are no letters.
_IS_N = _ENCODE == N_CODE
_IS_N[[ord("\n"), ord("\r")]] = False
_DECODE = np.frombuffer(BASES.encode(), dtype=np.uint8)
_COMPLEMENT = np.array([3, 2, 1, 0, 4], dtype=np.uint8)

# Chromosome lengths tell genome builds apart (UCSC chrom.sizes of hg19 and hg38; docs/facts.md 12).
BUILD_LENGTHS = {
    "hg19": {"chr1": 249250621, "chr2": 243199373, "chr3": 198022430, "chr4": 191154276, "chr5": 180915260,
             "chr6": 171115067, "chr7": 159138663, "chr8": 146364022, "chr9": 141213431, "chr10": 135534747,
             "chr11": 135006516, "chr12": 133851895, "chr13": 115169878, "chr14": 107349540, "chr15": 102531392,
             "chr16": 90354753, "chr17": 81195210, "chr18": 78077248, "chr19": 59128983, "chr20": 63025520,
             "chr21": 48129895, "chr22": 51304566, "chrX": 155270560, "chrY": 59373566},
    "hg38": {"chr1": 248956422, "chr2": 242193529, "chr3": 198295559, "chr4": 190214555, "chr5": 181538259,
             "chr6": 170805979, "chr7": 159345973, "chr8": 145138636, "chr9": 138394717, "chr10": 133797422,
             "chr11": 135086622, "chr12": 133275309, "chr13": 114364328, "chr14": 107043718, "chr15": 101991189,
             "chr16": 90338345, "chr17": 83257441, "chr18": 80373285, "chr19": 58617616, "chr20": 64444167,
             "chr21": 46709983, "chr22": 50818468, "chrX": 156040895, "chrY": 57227415},
}  # fmt: skip


def encode(sequence: str | bytes) -> np.ndarray:
    """Return the base codes (uint8 [length]) of a DNA string."""
    data = sequence.encode("ascii") if isinstance(sequence, str) else sequence
    return _ENCODE[np.frombuffer(data, dtype=np.uint8)]


def decode(codes: np.ndarray) -> str:
    """Return the upper-case DNA string of base codes."""
    return _DECODE[codes].tobytes().decode("ascii")


def reverse_complement(codes: np.ndarray) -> np.ndarray:
    """Return the base codes of the opposite strand, read in its own direction."""
    return _COMPLEMENT[codes][::-1]


def ranges(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return ``starts[i], starts[i] + 1, ..., starts[i] + sizes[i] - 1`` for all i, end to end (int64)."""
    return np.repeat(starts - (np.cumsum(sizes) - sizes), sizes) + np.arange(sizes.sum())


def overlapping(places: pd.DataFrame, others: pd.DataFrame) -> np.ndarray:
    """Say which of `places` share at least one base with any of `others`.

    Parameters
    ----------
    places, others : DataFrame
        Columns chrom, start, end; rows without a place overlap nothing.

    Returns
    -------
    bool [len(places)]
    """
    found = np.zeros(len(places), dtype=bool)
    placed = np.flatnonzero(places["start"].notna().to_numpy())
    rows_of = places.iloc[placed].groupby("chrom", observed=True).indices
    for chrom, here in others[["chrom", "start", "end"]].dropna().groupby("chrom", observed=True):
        rows = placed[rows_of.get(chrom, placed[:0])]
        start, end = (np.sort(here[name].to_numpy(np.int64)) for name in ("start", "end"))
        first, last = (places[name].iloc[rows].to_numpy(np.int64) for name in ("start", "end"))
        # If as many intervals have begun before `last` as have ended by `first`, none lies across.
        found[rows] = np.searchsorted(start, last, side="left") > np.searchsorted(end, first, side="right")
    return found


def sort_regions(regions: pd.DataFrame) -> np.ndarray:
    """Return the positions (int64) that sort regions by chromosome (natural order), start and end."""
    codes, found = pd.factorize(regions["chrom"])
    rank = {name: i for i, name in enumerate(sorted(found, key=chromosome_rank))}
    ranks = np.array([rank[name] for name in found], dtype=np.int64)[codes]
    return np.lexsort((regions["end"].to_numpy(), regions["start"].to_numpy(), ranks))


def region_names(regions: pd.DataFrame) -> list[str]:
    """Return names of the Descartes form ``chr1-752336-752980``."""
    # Through lists: iterating over a pandas string column takes ten times as long.
    columns = (regions[column].to_numpy().tolist() for column in ("chrom", "start", "end"))
    return [f"{chrom}-{start}-{end}" for chrom, start, end in zip(*columns, strict=True)]


def parse_region_names(names: pd.Series | list[str], where: str) -> pd.DataFrame:
    """Split ``chr1-752336-752980`` (also ``chr1:752336-752980``, ``chr1_752336_752980``) into regions.

    Parameters
    ----------
    names : sequence of str
    where : str
        What the names were read from, for the error message.

    Returns
    -------
    DataFrame
        Columns chrom (normalised), start, end (int64).

    Raises
    ------
    InputError
        A name has another form.
    """
    names = [str(name) for name in names]
    if not names:
        return pd.DataFrame({"chrom": pd.Series([], dtype=str), "start": np.zeros(0, int), "end": np.zeros(0, int)})
    # On the bytes of all names at once: a regular expression, or splitting, a name takes four times as long.
    text = np.frombuffer("".join(f"{name}\n" for name in names).encode(), dtype=np.uint8)
    line_ends = np.flatnonzero(text == ord("\n"))
    if len(line_ends) != len(names):
        wrong = np.array(["\n" in name for name in names])
    else:
        line_starts = np.concatenate(([0], line_ends[:-1] + 1))
        marks = np.flatnonzero(np.isin(text, np.frombuffer(b"-:_", dtype=np.uint8)))
        last = np.searchsorted(marks, line_ends)
        marks = np.concatenate(([-1, -1], marks))
        first, second = marks[last], marks[last + 1]
        starts, no_start = _numbers_at(text, first + 1, second)
        ends, no_end = _numbers_at(text, second + 1, line_ends)
        wrong = (first <= line_starts) | (text[second] == ord(":")) | no_start | no_end
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{where}: region name {names[row]!r} (row {row + 1}); expected chrom-start-end, as in chr1-752336-752980"
        )
    # Only digits and marks follow the chromosome, so that bytes are characters there.
    chroms = [name[:-tail] for name, tail in zip(names, (line_ends - first).tolist(), strict=True)]
    normal = {name: normalise_chromosome(name) for name in set(chroms)}
    chroms = pd.Series([normal[name] for name in chroms], dtype=str)
    return pd.DataFrame({"chrom": chroms, "start": starts, "end": ends})


def _numbers_at(text: np.ndarray, begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Decimal numbers written in ``text[begin:end]`` (int64), and where there is none (or one of over 18 digits)."""
    width = end - begin
    wrong = (width < 1) | (width > 18)
    values = np.zeros(len(begin), dtype=np.int64)
    for place in range(min(int(width.max()), 18)):
        inside = width > place
        digits = text[np.where(inside, end - 1 - place, 0)].astype(np.int64) - ord("0")
        wrong |= inside & ((digits < 0) | (digits > 9))
        values += np.where(inside, digits * 10**place, 0)
    return values, wrong


class Genome:
    """Random access to an indexed FASTA file, by normalised chromosome name.

    Parameters
    ----------
    fasta : path
        Uncompressed FASTA as written by :func:`prepare_genome` (any other works if pyfaidx can read it).
    """

    def __init__(self, fasta: str | Path):
        from pyfaidx import Fasta, FastaIndexingError, FetchError

        self.path = Path(fasta)
        try:
            self._fasta = Fasta(str(fasta), as_raw=True, rebuild=False)
        except (OSError, FetchError, FastaIndexingError, ValueError) as error:
            raise InputError(f"{fasta}: not a readable FASTA file ({error})") from error
        self._names = {normalise_chromosome(name): name for name in self._fasta.keys()}  # noqa: SIM118
        self.lengths = {name: len(self._fasta[raw]) for name, raw in self._names.items()}

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
        return encode(str(self._fasta[self._names[chrom]][start:end]))

    def count_n(self, regions: pd.DataFrame) -> np.ndarray:
        """Return how many bases of each region are N (anything but A, C, G, T), as int64 [n_regions].

        Reads only the bases of the regions: a million regions take seconds, the whole genome half a minute.

        Parameters
        ----------
        regions : DataFrame
            Columns chrom, start, end, on chromosomes of this genome, ``start < end``.

        Raises
        ------
        InputError
            As :meth:`codes`.
        """
        for chrom, end in regions.groupby("chrom", observed=True)["end"].max().items():
            self.codes(str(chrom), int(end), int(end))
        if len(regions) == 0:
            return np.zeros(0, dtype=np.int64)
        with self.path.open("rb") as handle:
            if handle.read(1) != b">":
                pieces = zip(regions["chrom"], regions["start"], regions["end"], strict=True)
                return np.array([np.count_nonzero(self.codes(*piece) == N_CODE) for piece in pieces], dtype=np.int64)
            with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as text:
                first, last = self._file_positions(regions)
                counts = np.zeros(len(regions), dtype=np.int64)
                for block in range(0, len(regions), _BLOCK_REGIONS):
                    a, b = first[block : block + _BLOCK_REGIONS], last[block : block + _BLOCK_REGIONS]
                    joined = b"".join([text[i:j] for i, j in zip(a.tolist(), b.tolist(), strict=True)])
                    # Most blocks hold no N at all, which this shows at once.
                    if joined.translate(None, b"ACGTacgt\r\n"):
                        n_at = np.flatnonzero(_IS_N[np.frombuffer(joined, dtype=np.uint8)])
                        owner = np.searchsorted(np.cumsum(b - a), n_at, side="right")
                        counts[block : block + _BLOCK_REGIONS] = np.bincount(owner, minlength=len(a))
                    # Pages that were read count as this process's memory, 3 GB for a whole genome, until given back.
                    text.madvise(mmap.MADV_DONTNEED)
                return counts

    def _file_positions(self, regions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return where in the file the first base of each region is, and where the byte after its last base."""
        codes, chroms = pd.factorize(regions["chrom"])
        lines = [self._fasta.faidx.index[self._names[chrom]] for chrom in chroms]
        offset, bases, width = (np.array([getattr(line, key) for line in lines]) for key in ("offset", "lenc", "lenb"))
        offset, bases, width = offset[codes], bases[codes], width[codes]
        first, last = regions["start"].to_numpy(np.int64), regions["end"].to_numpy(np.int64) - 1
        return (
            offset + first // bases * width + first % bases,
            offset + last // bases * width + last % bases + 1,
        )


def prepare_genome(source: str | Path, output: str | Path, build: str, chromosomes: list[str]) -> dict:
    """Write the wanted chromosomes as plain FASTA with normalised names, with an index beside it.

    Works on plain, gzip and bgzip input, in one pass and one chromosome line at a time; the input folder may be
    read-only. Letters keep their case.

    Parameters
    ----------
    source : path
        FASTA of the reference genome.
    output : path
        ``genome.fa``; ``genome.fa.fai`` and ``genome.json`` (build, lengths, md5 of each upper-cased sequence, as
        `samtools dict` computes it) are written beside it.
    build : str
        ``hg19``, ``hg38``: chromosome lengths are compared with the known ones. Any other name: not checked.
    chromosomes : list of str
        Normalised names.

    Returns
    -------
    dict
        The content of ``genome.json``.

    Raises
    ------
    InputError
        No such file, truncated gzip, lines of unequal length, missing chromosome, or lengths of another build.
    """
    source, output = Path(source), Path(output)
    if not source.exists():
        raise InputError(f"{source}: no such file; expected the FASTA of {build}")
    wanted = set(chromosomes)
    lengths: dict[str, int] = {}
    digests: dict[str, str] = {}
    with atomic_path(output) as temporary:
        try:
            with open_plain_or_gzip(source) as handle, temporary.open("wb") as out:
                name, digest = None, hashlib.md5()
                for line in handle:
                    if line.startswith(b">"):
                        if name is not None:
                            digests[name] = digest.hexdigest()
                        if wanted <= lengths.keys():
                            name = None
                            break
                        name = normalise_chromosome((line[1:].split() or [b""])[0].decode(errors="replace"))
                        name = name if name in wanted else None
                        if name in lengths:
                            raise InputError(f"{source}: chromosome {name} comes twice; expected it once")
                        if name is not None:
                            lengths[name], digest = 0, hashlib.md5()
                            out.write(b">" + name.encode() + b"\n")
                    elif name is not None:
                        bases = line.strip()
                        if bases:
                            lengths[name] += len(bases)
                            digest.update(bases.upper())
                            out.write(bases + b"\n")
                if name is not None:
                    digests[name] = digest.hexdigest()
        except (EOFError, zlib.error, OSError) as error:
            raise InputError(f"{source}: cut short or not a FASTA file ({error}); fetch it again") from error
        missing = [name for name in chromosomes if name not in lengths]
        if missing:
            raise InputError(f"{source}: chromosomes {', '.join(missing)} not found; config asks for them")
        for name, length in lengths.items():
            expected = BUILD_LENGTHS.get(build, {}).get(name, length)
            if length != expected:
                other = [b for b, sizes in BUILD_LENGTHS.items() if sizes.get(name) == length]
                raise InputError(
                    f"{source}: {name} is {length} bases long, but {build} has {expected}"
                    + (f"; this is {other[0]}" if other else "; wrong genome build")
                )
        from pyfaidx import Faidx, FastaIndexingError

        try:
            Faidx(str(temporary), rebuild=True).close()
        except FastaIndexingError as error:
            reason = str(error).replace(str(temporary), output.name)
            raise InputError(f"{source}: cannot be indexed ({reason}); expected lines of equal length") from error
        shutil.move(f"{temporary}.fai", output.with_name(output.name + ".fai"))
    info = {"build": build, "source": source.name, "lengths": lengths, "md5": digests}
    write_json(output.with_suffix(".json"), info)
    return info


@dataclass(frozen=True)
class RegionSequences:
    """Base codes of all regions end to end.

    Attributes
    ----------
    codes : uint8 [n_bases], memory-mapped when loaded
    offsets : int64 [n_regions + 1]
        Region i is ``codes[offsets[i]:offsets[i + 1]]``.
    genome : str
        Genome build.
    """

    codes: np.ndarray
    offsets: np.ndarray
    genome: str

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> np.ndarray:
        return self.codes[self.offsets[i] : self.offsets[i + 1]]

    def save(self, folder: str | Path) -> None:
        """Write ``regions.npy``, ``offsets.npy`` and ``regions.json`` into `folder`, each atomically."""
        folder = Path(folder)
        for name, array in (("regions.npy", self.codes), ("offsets.npy", self.offsets)):
            with atomic_path(folder / name) as temporary:
                np.save(temporary, array)
        write_json(
            folder / "regions.json",
            {
                "genome": self.genome,
                "regions": len(self),
                "bases": int(self.offsets[-1]),
                "n_bases": int(np.count_nonzero(self.codes == N_CODE)),
                "codes": "A 0, C 1, G 2, T 3, other 4",
                "sha256": hashlib.sha256(self.codes).hexdigest(),
            },
        )

    @classmethod
    def load(cls, folder: str | Path) -> "RegionSequences":
        """Memory-map the files written by :meth:`save`.

        Raises
        ------
        InputError
            A file is missing or damaged, or the three do not belong together.
        """
        folder = Path(folder)
        try:
            info = read_json(folder / "regions.json")
            codes = np.load(folder / "regions.npy", mmap_mode="r")
            offsets = np.load(folder / "offsets.npy")
        except (OSError, ValueError, EOFError) as error:
            raise InputError(
                f"{folder}: region sequences missing or damaged ({error}); run the rule `sequences` again"
            ) from error
        if len(offsets) != info["regions"] + 1 or offsets[-1] != len(codes):
            raise InputError(
                f"{folder}: regions.npy holds {len(codes)} bases of {len(offsets) - 1} regions, but regions.json says "
                f"{info['bases']} of {info['regions']}; delete the folder and run the rule `sequences` again"
            )
        return cls(codes, offsets, info["genome"])

    def crop(self, region_bp: int | None) -> "RegionSequences":
        """Return the central `region_bp` bases of each region (all of a shorter one); ``None`` changes nothing."""
        if region_bp is None:
            return self
        lengths = np.diff(self.offsets)
        kept = np.minimum(lengths, region_bp)
        offsets = np.concatenate(([0], np.cumsum(kept)))
        starts = self.offsets[:-1] + (lengths - kept) // 2
        codes = np.empty(offsets[-1], dtype=np.uint8)
        # In blocks: an index of all bases at once would take 16 bytes a base.
        for first in range(0, len(self), _BLOCK_REGIONS):
            block = slice(first, first + _BLOCK_REGIONS)
            low, high = offsets[first], offsets[min(first + _BLOCK_REGIONS, len(self))]
            codes[low:high] = self.codes[ranges(starts[block], kept[block])]
        return RegionSequences(codes, offsets, self.genome)


def check_regions(regions: pd.DataFrame, lengths: dict[str, int], where: str, build: str) -> None:
    """Check that every region lies inside its chromosome.

    Parameters
    ----------
    regions : DataFrame
        Columns chrom, start, end; every chromosome must be a key of `lengths`.

    Raises
    ------
    InputError
        A region is empty, or ends beyond the chromosome (the commonest sign of another genome build).
    """
    empty = (regions["end"] <= regions["start"]) | (regions["start"] < 0)
    if empty.any():
        first = regions[empty].iloc[0]
        raise InputError(f"{where}: region {first.chrom}:{first.start}-{first.end} is empty; expected start < end")
    codes, found = pd.factorize(regions["chrom"])

    def ends_beyond(sizes: dict[str, int]) -> np.ndarray:
        return regions["end"].to_numpy() > np.array([sizes.get(name, np.inf) for name in found])[codes]

    beyond = ends_beyond(lengths)
    if beyond.any():
        first = regions[beyond].iloc[0]
        others = {name: sizes for name, sizes in BUILD_LENGTHS.items() if name != build and first.chrom in sizes}
        fits = [name for name, sizes in others.items() if not ends_beyond(sizes).any()]
        raise InputError(
            f"{where}: region {first.chrom}:{first.start}-{first.end} ends beyond {first.chrom}, which is "
            f"{lengths[first.chrom]} bases long in {build} ({int(beyond.sum())} such regions); are these coordinates "
            f"of another genome build?{f' They all fit {fits[0]}.' if fits else ''}"
        )


def extract_sequences(genome: Genome, regions: pd.DataFrame, build: str, where: str) -> RegionSequences:
    """Fetch the bases of all regions.

    Parameters
    ----------
    genome : Genome
    regions : DataFrame
        Columns chrom, start, end, sorted by chromosome (each chromosome is read once).
    build, where : str
        For the record and for error messages.
    """
    check_regions(regions, genome.lengths, where, build)
    starts, ends = regions["start"].to_numpy(), regions["end"].to_numpy()
    offsets = np.concatenate(([0], np.cumsum(ends - starts))).astype(np.int64)
    codes = np.empty(offsets[-1], dtype=np.uint8)
    chroms = regions["chrom"].to_numpy()
    for chrom in pd.unique(chroms):
        whole = genome.codes(chrom)
        for i in np.flatnonzero(chroms == chrom):
            codes[offsets[i] : offsets[i + 1]] = whole[starts[i] : ends[i]]
    return RegionSequences(codes, offsets, build)
