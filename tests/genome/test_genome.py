"""Genome: base codes, FASTA preparation, region sequences."""

import gzip
import hashlib
import lzma
import os
import stat

import numpy as np
import pytest
from genome_inputs import regions_of
from hypothesis import given
from hypothesis import strategies as st

from genebert.errors import InputError
from genebert.files import read_json
from genebert.genome import bases as gn
from genebert.genome.builds import BUILD_LENGTHS
from genebert.genome.fasta import Genome, prepare_genome
from genebert.genome.sequences import RegionSequences, extract_sequences

SEQUENCES = {"2": "ACGTNacgtnRYKMacgt" * 11, "chr10": "gattaca" * 40, "MT": "ACGT" * 25, "chrUn_1": "TTTTT"}
NAMES = {"2": "chr2", "chr10": "chr10", "MT": "chrM", "chrUn_1": "chrUn_1"}
dna = st.text(alphabet="ACGTNacgtnRYx", max_size=200)


def fasta_text(width=13, newline="\n", sequences=SEQUENCES):
    lines = []
    for name, bases in sequences.items():
        lines += [f">{name} some description", *(bases[i : i + width] for i in range(0, len(bases), width))]
    return newline.join(lines) + newline


def bgzip(data: bytes, size=64) -> bytes:
    """Blocked gzip as bgzip writes it: members with their length in an extra field, then the empty end block."""
    out = b""
    for start in [*range(0, len(data), size), len(data)]:
        member = gzip.compress(data[start : start + size], mtime=0)
        extra = b"BC\x02\x00" + (len(member) + 8 - 1).to_bytes(2, "little")
        out += member[:3] + b"\x04" + member[4:10] + len(extra).to_bytes(2, "little") + extra + member[10:]
    return out


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("genome")
    (folder / "source.fa").write_text(fasta_text())
    prepare_genome(folder / "source.fa", folder / "genome.fa", "toy", ["chr2", "chr10", "chrM"])
    return Genome(folder / "genome.fa")


# --- codes ------------------------------------------------------------------------------------------------------


@given(dna)
def test_codes(text):
    codes = gn.encode(text)
    assert codes.dtype == np.uint8
    assert codes.tolist() == ["ACGT".find(c) if c in "ACGT" else 4 for c in text.upper()]
    assert np.array_equal(codes, gn.encode(text.encode()))
    assert gn.decode(codes) == "".join(c if c in "ACGT" else "N" for c in text.upper())
    pairs = dict(zip("ACGTN", "TGCAN", strict=True))
    turned = gn.reverse_complement(codes)
    assert turned.dtype == np.uint8
    assert gn.decode(turned) == "".join(pairs[c] for c in reversed(gn.decode(codes)))


@given(st.lists(st.text(alphabet="ACGTNacgtn", max_size=6), max_size=5))
def test_codes_of_many_sequences(texts):
    codes, lengths = gn.sequence_codes(texts)
    longest = max(map(len, texts), default=0)
    assert codes.shape == (len(texts), longest)
    assert [gn.decode(row) for row in codes] == [text.upper().ljust(longest, "N") for text in texts]
    assert lengths.tolist() == [len(text) for text in texts]
    assert (codes.dtype, lengths.dtype) == (np.uint8, np.int64)


# --- FASTA ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    ["plain", "gzip", "bgzip", "crlf", "blank lines", "no last newline", "one line", "cr", "mark", "utf-16", "refseq"],
)
def test_prepare_genome(tmp_path, form):
    encoding = {"mark": "utf-8-sig", "utf-16": "utf-16"}.get(form, "ascii")
    text = {
        "cr": fasta_text(newline="\r"),
        "refseq": fasta_text().replace(">2 ", ">NC_000002.11 ").replace(">chr10 ", ">NC_000010.11 "),
        "crlf": fasta_text(newline="\r\n"), "blank lines": fasta_text().replace("\n>", "\n\n>") + "\n",
        "no last newline": fasta_text().rstrip(), "one line": fasta_text(width=10**6),
    }.get(form, fasta_text()).encode(encoding)  # fmt: skip
    pack = {"gzip": gzip.compress, "bgzip": bgzip}.get(form, bytes)
    source = tmp_path / "source" / "g.fa"
    source.parent.mkdir()
    source.write_bytes(pack(text))
    source.parent.chmod(0o555)
    try:
        info = prepare_genome(source, tmp_path / "out" / "genome.fa", "toy", ["chrM", "chr2", "chr10"])
        assert list(source.parent.iterdir()) == [source]
    finally:
        source.parent.chmod(0o755)
    kept = {NAMES[name]: bases for name, bases in SEQUENCES.items() if name != "chrUn_1"}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["genome.fa", "genome.fa.fai", "genome.json"]
    assert info == read_json(tmp_path / "out" / "genome.json") == {
        "build": "toy",
        "source": "g.fa",
        "lengths": {name: len(bases) for name, bases in kept.items()},
        "md5": {name: hashlib.md5(bases.upper().encode()).hexdigest() for name, bases in kept.items()},
    }  # fmt: skip
    genome = Genome(tmp_path / "out" / "genome.fa")
    assert genome.lengths == info["lengths"]
    for name, bases in kept.items():
        np.testing.assert_array_equal(genome.codes(name), gn.encode(bases))
    # Soft-masked letters keep their case in the file.
    assert "".join((tmp_path / "out" / "genome.fa").read_text().split("\n")[1:]).startswith(SEQUENCES["2"])
    assert stat.S_IMODE((tmp_path / "out" / "genome.fa").stat().st_mode) & 0o444


def text_of_length(length):
    return ">1\n" + "\n".join(["A" * 60] * (length // 60) + ["A" * (length % 60)]) + "\n"


@pytest.mark.parametrize(
    ("data", "chromosomes", "build", "sentence"),
    [
        (None, ["chr2"], "toy", r"g.fa: cannot be read \(No such file or directory\)"),
        (gzip.compress(fasta_text().encode(), mtime=0)[:90], ["chr2", "chrM"], "toy", "g.fa: gzip data cut short"),
        (bgzip(fasta_text().encode())[:500], ["chr2", "chrM"], "toy", "g.fa: gzip data cut short"),
        (
            gzip.compress(fasta_text().encode(), mtime=0)[:40] + b"\xff" * 90,
            ["chrM"],
            "toy",
            "g.fa: gzip data cut short",
        ),
        (fasta_text().encode(), ["chr2", "chr5"], "toy", "g.fa: chromosomes chr5 not found"),
        (b"\nno header\n", ["chr2"], "toy", "g.fa: begins with 'no header'; expected FASTA, as the line >chr1"),
        (lzma.compress(fasta_text().encode()), ["chr2"], "toy", "g.fa: is xz data; expected text"),
        (b"C'A\x1a\0\0\0\0\1\0\0\0", ["chr2"], "toy", "g.fa: is a 2bit file; expected text"),
        (b"<html><body>Moved</body></html>", ["chr2"], "toy", "g.fa: is an HTML or XML page; expected text"),
        (b"", ["chr2"], "toy", "chromosomes chr2 not found; config asks for them, but the file holds no sequence"),
        (b">CM1.1 x\nA\n>b\n>c\n>d\n>e\n>f\n", ["chr2"], "toy", r"the file holds CM1\.1, b, c, d, e \.\.\.$"),
        (b">2\n\n>3\nACGT\n", ["chr2"], "toy", "g.fa: chr2 has a name but no bases"),
        (b">\nACGT\n", ["chr2"], "toy", "g.fa: chromosomes chr2 not found"),
        (b">2\nACGT\n>chr2\nACGT\n>3\nA\n", ["chr2", "chr3"], "toy", "g.fa: chromosome chr2 comes twice"),
        (b">20\nACGT\n>chr20\nACG\n", ["chr20"], "toy", "g.fa: chromosome chr20 comes twice"),
        (b">2\nACGT\nAC\nACGT\n", ["chr2"], "toy", "g.fa: cannot be indexed .*; expected lines of equal length"),
        (
            b">20\nACGT\n",
            ["chr20"],
            "hg19",
            "chr20 is 4 bases long, but hg19 has 63025520; wrong genome build, or a part of hg19: "
            "give that a name of its own .genome.build: hg19-part., whose lengths are not checked",
        ),
        (b">20\nACGT\n", ["chr20"], "hg38", "chr20 is 4 bases long, but hg38 has 64444167; wrong genome build"),
    ],
)
def test_bad_fasta_leaves_nothing_behind(tmp_path, data, chromosomes, build, sentence):
    if data is not None:
        (tmp_path / "g.fa").write_bytes(data)
    with pytest.raises(InputError, match=sentence):
        prepare_genome(tmp_path / "g.fa", tmp_path / "out" / "genome.fa", build, chromosomes)
    assert list((tmp_path / "out").rglob("*")) == [] if (tmp_path / "out").exists() else True


def test_another_build_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(BUILD_LENGTHS, "hg19", {"chr1": 601})
    monkeypatch.setitem(BUILD_LENGTHS, "hg38", {"chr1": 600})
    (tmp_path / "g.fa").write_text(text_of_length(600))
    with pytest.raises(InputError, match="chr1 is 600 bases long, but hg19 has 601; this is hg38"):
        prepare_genome(tmp_path / "g.fa", tmp_path / "genome.fa", "hg19", ["chr1"])
    assert prepare_genome(tmp_path / "g.fa", tmp_path / "genome.fa", "hg38", ["chr1"])["lengths"] == {"chr1": 600}


def test_codes_of_an_interval(prepared):
    whole = SEQUENCES["2"]
    for start, end in [(0, 1), (0, len(whole)), (12, 14), (13, 26), (5, 5), (len(whole), len(whole)), (197, 198)]:
        assert gn.decode(prepared.codes("chr2", start, end)) == gn.decode(gn.encode(whole[start:end]))
    for start, end in [(-1, 5), (0, len(whole) + 1), (9, 8)]:
        with pytest.raises(InputError, match=rf"chr2:{start}-{end} asked for, but chr2 is 198 bases long"):
            prepared.codes("chr2", start, end)
    with pytest.raises(InputError, match="has no chromosome chr7; it holds chr2, chr10"):
        prepared.codes("chr7", 0, 1)


def test_a_genome_is_read_as_it_lies(prepared):
    """Copying may leave the index older than the FASTA; jobs that share a genome must not write it anew."""
    index = prepared.path.with_name("genome.fa.fai")
    index.write_text(index.read_text())
    os.utime(index, (1, 1))
    with pytest.warns(RuntimeWarning, match="older than FASTA"):
        assert Genome(prepared.path).lengths == LENGTHS
    assert index.stat().st_mtime == 1


def test_lengths_of_a_known_build(tmp_path, monkeypatch):
    monkeypatch.setitem(BUILD_LENGTHS, "hg19", {"chr1": 6, "chr2": 9})
    (tmp_path / "g.fa").write_text(">1\nACGTAC\n")
    for build, more in (("hg19", {"chr2": 9}), ("toy", {})):
        prepare_genome(tmp_path / "g.fa", tmp_path / "genome.fa", build, ["chr1"])
        assert Genome(tmp_path / "genome.fa").all_lengths == {"chr1": 6} | more


def test_not_a_genome(tmp_path):
    (tmp_path / "empty.fa").write_text("")
    (tmp_path / "text.fa").write_text("hello\nworld\n")
    for name in ("gone.fa", "text.fa", "empty.fa"):
        with pytest.raises(InputError, match=f"{name}: not a readable FASTA file"):
            Genome(tmp_path / name)


# --- regions --------------------------------------------------------------------------------------------------------

LENGTHS = {NAMES[name]: len(bases) for name, bases in SEQUENCES.items() if name != "chrUn_1"}
TEXTS = {NAMES[name]: bases for name, bases in SEQUENCES.items()}


@st.composite
def region_lists(draw):
    rows = []
    for _ in range(draw(st.integers(0, 6))):
        chrom = draw(st.sampled_from(sorted(LENGTHS)))
        start = draw(st.integers(0, LENGTHS[chrom] - 1))
        rows.append((chrom, start, draw(st.integers(start + 1, LENGTHS[chrom]))))
    return regions_of(rows)


@given(regions=region_lists(), block=st.integers(1, 4))
def test_sequences_and_counts_of_n_equal_slices(prepared, regions, block):
    expected = [TEXTS[c][s:e].upper() for c, s, e in regions.itertuples(index=False)]
    sequences = extract_sequences(prepared, regions, "toy", "test")
    assert len(sequences) == len(regions)
    assert sequences.codes.dtype == np.uint8
    assert sequences.offsets.dtype == np.int64
    assert [sequences[i].tolist() for i in range(len(regions))] == [gn.encode(bases).tolist() for bases in expected]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("genebert.genome.fasta.BLOCK_REGIONS", block)
        counts = prepared.count_n(regions)
    assert counts.dtype == np.int64
    assert counts.tolist() == [sum(base not in "ACGT" for base in bases) for bases in expected]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_count_n_at_the_ends_of_lines_and_of_the_file(tmp_path, newline):
    text = fasta_text(width=10, newline=newline, sequences={"chr1": "NACGTACGTN" * 3, "chr2": "ACGTACGTAN" * 2})
    (tmp_path / "g.fa").write_bytes(text[: -len(newline)].encode())
    genome = Genome(tmp_path / "g.fa")
    rows = [("chr2", 10, 20), ("chr1", 0, 10), ("chr1", 9, 11), ("chr1", 0, 30), ("chr2", 0, 19), ("chr2", 19, 20)]
    assert genome.count_n(regions_of(rows)).tolist() == [1, 2, 2, 6, 1, 1]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (("chr2", 5, 5), "x.bed: row 2: region 5-5 is empty, expected an end after its start"),
        (("chr2", 9, 5), "x.bed: row 2: end 5 is before start 9"),
        (("chr2", -1, 5), "x.bed: row 2: start is -1, expected 0 or more"),
        (("chr2", 100, 199), r"chr2:100-199 ends beyond chr2, .* 198 bases long in toy \(1 of 2 .*by up to 1 bases\)"),
    ],
)
def test_regions_outside(prepared, row, sentence):
    with pytest.raises(InputError, match=sentence):
        extract_sequences(prepared, regions_of([("chr2", 1, 2), row]), "toy", "x.bed")


@given(st.lists(st.integers(1, 12), min_size=1, max_size=9), st.integers(1, 14), st.integers(1, 4), st.booleans())
def test_crop_keeps_the_centre(lengths, width, block, none):
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    codes = (np.arange(offsets[-1]) % 251).astype(np.uint8)
    sequences = RegionSequences(codes, offsets, "toy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("genebert.genome.sequences.BLOCK_REGIONS", block)
        cropped = sequences.crop(None if none else width)
    assert len(cropped) == len(sequences)
    for i, length in enumerate(lengths):
        kept = length if none else min(length, width)
        left = (length - kept) // 2
        assert cropped[i].tolist() == sequences[i][left : left + kept].tolist()
    assert codes.tolist() == (np.arange(offsets[-1]) % 251).tolist()


def test_take():
    codes, offsets = np.arange(9, dtype=np.uint8), np.array([0, 3, 3, 7, 9])
    taken = RegionSequences(codes, offsets, "toy").take(np.array([2, 0, 1, 2]))
    assert [taken[i].tolist() for i in range(len(taken))] == [[3, 4, 5, 6], [0, 1, 2], [], [3, 4, 5, 6]]


def saved(prepared, folder):
    regions = regions_of([("chr2", 3, 30), ("chr10", 0, 7), ("chrM", 0, 100)])
    sequences = extract_sequences(prepared, regions, "toy", "test")
    sequences.save(folder)
    return sequences


def test_save_and_load(prepared, tmp_path):
    sequences = saved(prepared, tmp_path / "a")
    loaded = RegionSequences.load(tmp_path / "a")
    assert isinstance(loaded.codes, np.memmap)
    np.testing.assert_array_equal(loaded.codes, sequences.codes)
    np.testing.assert_array_equal(loaded.offsets, sequences.offsets)
    assert loaded.genome == "toy"
    info = read_json(tmp_path / "a" / "regions.json")
    assert (info["regions"], info["bases"]) == (3, 134)
    assert info["n_bases"] == sum(base not in "ACGT" for base in SEQUENCES["2"][3:30].upper())
    assert info["genome"] == "toy"
    assert info["sha256"] == hashlib.sha256(sequences.codes.tobytes()).hexdigest()
    saved(prepared, tmp_path / "b")
    for name in ("regions.npy", "offsets.npy", "regions.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    # Cropping a memory-mapped set gives plain memory and leaves the files alone.
    assert gn.decode(loaded.crop(5)[1]) == "ATTAC"


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("regions.npy", "region sequences missing or damaged .*regions.npy.*; run the rule `sequences` again"),
        ("offsets.npy", "region sequences missing or damaged .*offsets.npy"),
        ("regions.json", r"regions\.json: cannot be read"),
        ("cut", "region sequences missing or damaged"),
        ("empty", "region sequences missing or damaged"),
        ([0, 27, 34, 133], "holds 134 bases of 3 regions, but regions.json says 134 of 3; delete the folder"),
        ([0, 27, 134], "holds 134 bases of 2 regions, but regions.json says 134 of 3; delete the folder"),
        ([0, 27, 34, 40, 134], "holds 134 bases of 4 regions, but regions.json says 134 of 3; delete the folder"),
        ("not json", "not valid JSON"),
    ],
    ids=str,
)
def test_damaged_folder(prepared, tmp_path, damage, sentence):
    saved(prepared, tmp_path)
    if damage == "cut":
        path = tmp_path / "regions.npy"
        path.write_bytes(path.read_bytes()[:-5])
    elif damage == "empty":
        (tmp_path / "offsets.npy").write_bytes(b"")
    elif isinstance(damage, list):
        np.save(tmp_path / "offsets.npy", np.array(damage))
    elif damage == "not json":
        (tmp_path / "regions.json").write_text("{")
    else:
        (tmp_path / damage).unlink()
    with pytest.raises(InputError, match=sentence):
        RegionSequences.load(tmp_path)


@pytest.mark.shared
def test_real_chr20(shared_data, tmp_path):
    source = shared_data / "genome" / "chr20.fa.gz"
    info = prepare_genome(source, tmp_path / "genome.fa", "hg19", ["chr20"])
    assert info["lengths"] == {"chr20": 63_025_520}
    assert info["md5"] == {"chr20": "0dec9660ec1efaaf33281c0d5ea2560f"}
    genome = Genome(tmp_path / "genome.fa")
    whole = genome.codes("chr20")
    assert hashlib.md5(gn.decode(whole).encode()).hexdigest() == "0dec9660ec1efaaf33281c0d5ea2560f"
    n_bases = int((whole == gn.N_CODE).sum())
    assert n_bases == 3_520_000
    starts = np.arange(0, 63_000_000, 25_000)
    regions = regions_of([("chr20", start, start + 25_000) for start in starts] + [("chr20", 63_000_000, 63_025_520)])
    counts = genome.count_n(regions)
    assert counts.sum() == n_bases
    assert counts[0] == 25_000
