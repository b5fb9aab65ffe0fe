"""People of the 1000 Genomes Project, base by base as `bcftools consensus` makes them."""

import gzip
import shutil

import numpy as np
import pandas as pd
import pysam
import pytest
from genome_inputs import regions_of
from pysam import bcftools
from variant_inputs import quiet

from genebert.errors import InputError
from genebert.genome.bases import decode
from genebert.genome.fasta import Genome, prepare_genome
from genebert.genome.haplotypes import haplotypes
from genebert.genome.kinship import kinship, related
from genebert.genome.variants import read_genotypes
from genebert.settings.variants import VariantSettings

pytestmark = [pytest.mark.shared, pytest.mark.slow]
DENSE, SPARSE = "1000g_chr20_1-4Mb_EUR300.vcf.gz", "1000g_chr20_sparse_1126.vcf.gz"
PEOPLE = (0, 17, 150, 299)


@pytest.fixture(scope="module")
def genome(shared_data, tmp_path_factory):
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    prepare_genome(shared_data / "genome" / "chr20.fa.gz", path, "hg19", ["chr20"])
    return Genome(path)


@pytest.fixture(scope="module")
def dense(shared_data, tmp_path_factory):
    path = tmp_path_factory.mktemp("dense") / DENSE
    shutil.copyfile(shared_data / "variants" / DENSE, path)
    pysam.tabix_index(str(path), preset="vcf")
    return path


@pytest.fixture(scope="module")
def sparse(shared_data, tmp_path_factory):
    """The file is gzip without blocks."""
    folder = tmp_path_factory.mktemp("sparse")
    with pysam.BGZFile(str(folder / SPARSE), "wb") as out:
        out.write(gzip.decompress((shared_data / "variants" / SPARSE).read_bytes()))
    pysam.tabix_index(str(folder / SPARSE), preset="vcf")
    return folder / SPARSE


def consensus(path, genome, folder, window, person, haplotype):
    """What bcftools makes of a window, whose name and contig are those of the file."""
    chrom, start, end = window
    fasta = folder / "window.fa"
    fasta.write_text(f">20:{start + 1}-{end}\n{decode(genome.codes(chrom, start, end))}\n")
    text = quiet(bcftools.consensus, "-H", str(haplotype), "-s", person, "-f", str(fasta), str(path))
    return "".join(text.split("\n")[1:])


def test_three_megabases(genome, dense, tmp_path):
    """24,990 sites, 1,320 of them insertions and deletions."""
    found = read_genotypes(dense, regions_of([("chr20", 1_000_000, 4_000_000)]), genome)
    assert found.calls.shape == (24990, 300, 2) and found.counts["other_ref"] == 0
    assert int((found.sites["ref"].str.len() != found.sites["alt"].str.len()).sum()) == 1320
    own = read_genotypes(dense, found.regions, genome, [found.samples[i] for i in PEOPLE])
    assert (own.calls == found.calls[:, PEOPLE]).all()
    window = ("chr20", 1_000_000, 4_000_000)
    made = haplotypes(own, window, genome)
    assert made.counts["skipped"] > 0
    for i, name in enumerate(own.samples):
        for which in (0, 1):
            theirs = consensus(dense, genome, tmp_path, window, name, which + 1)
            assert decode(made.sequences[made.index[i, which]]) == theirs
    # Windows of all people, of which most share most haplotypes.
    for start in range(1_000_000, 4_000_000, 300_000):
        made = haplotypes(found, ("chr20", start, start + 2000), genome)
        assert 1 < len(made.sequences) < 40 and made.index.shape == (300, 2)
    pairs = related(kinship(found))
    assert len(pairs["duplicates"]) == 0


def test_windows_of_all_people(genome, dense, tmp_path):
    """Twenty people of windows with insertions and deletions, which bcftools reads on their own."""
    windows = [("chr20", start, start + 2000) for start in range(1_210_000, 1_290_000, 20_000)]
    found = read_genotypes(dense, pd.DataFrame(windows, columns=["chrom", "start", "end"]), genome)
    people = np.random.default_rng(0).permutation(300)[:20]
    for window in windows:
        sites = found.sites[(found.sites["start"] < window[2]) & (found.sites["end"] > window[1])]
        assert ((sites["start"] >= window[1]) & (sites["end"] <= window[2])).all()  # none lies across a border
        made = haplotypes(found, window, genome)
        for i in people:
            for which in (0, 1):
                theirs = consensus(dense, genome, tmp_path, window, found.samples[i], which + 1)
                assert decode(made.sequences[made.index[i, which]]) == theirs


def test_sparse_file(genome, sparse, tmp_path):
    """25 of its records have several alternatives."""
    region = regions_of([("chr20", 0, genome.lengths["chr20"])])
    found = read_genotypes(sparse, region, genome, settings=VariantSettings(filters="all"))
    assert len(found.samples) == 1126 and found.counts["records"] == 1120
    text = quiet(bcftools.norm, "-m", "-any", "-f", str(as_contig_20(genome, tmp_path)), str(sparse))
    rows = [row.split("\t") for row in text.splitlines() if not row.startswith("#")]
    theirs = [(int(row[1]) - 1, row[3], row[4]) for row in rows]
    assert list(found.sites[["start", "ref", "alt"]].itertuples(index=False, name=None)) == theirs
    carried = np.array([[[int(part) for part in call.split("|")] for call in row[9:]] for row in rows])
    assert (found.calls == carried).all()


def as_contig_20(genome, folder):
    """The same chromosome under the name that the file has for it."""
    path = folder / "20.fa"
    path.write_text(f">20\n{decode(genome.codes('chr20'))}\n")
    return path


def test_another_build_is_told(genome, dense):
    """The same records, three bases further."""
    shifted = dense.with_name("shifted.vcf")
    with pysam.VariantFile(str(dense)) as vcf, shifted.open("w") as out:
        out.write(str(vcf.header))
        for i, record in enumerate(vcf):
            columns = str(record).split("\t")
            out.write("\t".join([columns[0], str(int(columns[1]) + 3), *columns[2:]]))
            if i == 999:
                break
    pysam.tabix_compress(str(shifted), f"{shifted}.gz", force=True)
    pysam.tabix_index(f"{shifted}.gz", preset="vcf", force=True)
    with pytest.raises(
        InputError, match=r"\d+ of \d+ records have another REF .*are these coordinates of another genome"
    ):
        read_genotypes(f"{shifted}.gz", regions_of([("chr20", 1_000_000, 2_000_000)]), genome)
