"""Base codes of all regions end to end."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.files import atomic_path, read_json, write_json
from genebert.genome.bases import BLOCK_REGIONS, N_CODE
from genebert.genome.builds import check_regions
from genebert.genome.fasta import Genome
from genebert.genome.intervals import ranges


@dataclass(frozen=True)
class RegionSequences:
    """Base codes of all regions end to end."""

    codes: np.ndarray  # uint8 [n_bases], memory-mapped when loaded
    offsets: np.ndarray  # int64 [n_regions + 1]; region i is codes[offsets[i]:offsets[i + 1]]
    genome: str  # its build

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
        """Memory-map the files written by :meth:`save`; refuse those that are damaged or do not belong together."""
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

    def take(self, rows: np.ndarray) -> "RegionSequences":
        """Return some of the regions (int [n]), in that order."""
        lengths = np.diff(self.offsets)[rows]
        codes = np.asarray(self.codes[ranges(self.offsets[:-1][rows], lengths)])
        return RegionSequences(codes, np.concatenate(([0], np.cumsum(lengths))), self.genome)

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
        for first in range(0, len(self), BLOCK_REGIONS):
            block = slice(first, first + BLOCK_REGIONS)
            low, high = offsets[first], offsets[min(first + BLOCK_REGIONS, len(self))]
            codes[low:high] = self.codes[ranges(starts[block], kept[block])]
        return RegionSequences(codes, offsets, self.genome)


def extract_sequences(genome: Genome, regions: pd.DataFrame, build: str, where: str) -> RegionSequences:
    """Fetch the bases of all regions (columns chrom, start, end); `build` and `where` are for the record and errors."""
    check_regions(regions, genome.lengths, where, build)
    starts, ends = regions["start"].to_numpy(), regions["end"].to_numpy()
    offsets = np.concatenate(([0], np.cumsum(ends - starts)))
    codes = np.empty(offsets[-1], dtype=np.uint8)
    # By chromosome, so that each is read once.
    for chrom, rows in regions.groupby("chrom").indices.items():
        whole = genome.codes(chrom)
        for i in rows:
            codes[offsets[i] : offsets[i + 1]] = whole[starts[i] : ends[i]]
    return RegionSequences(codes, offsets, build)
