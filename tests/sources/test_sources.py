import hashlib
import json
import subprocess
import sys
from dataclasses import replace

import pytest

from genebert.cli.main import main
from genebert.errors import InputError
from genebert.files import write_json
from genebert.sources.registry import (
    COLUMNS,
    TFBS_BASES,
    TFBS_COLUMNS,
    Source,
    State,
    load_registry,
    lock_file,
    partial_file,
    read_registry,
    select,
    state_of,
    tfbs_sources,
)

CONTENT = b"chr1 960583 960643 KLHL17_1 900 + 960632 960643\n" * 5
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
GOOD = ["hg19/x.fa.gz", "https://host.org/x.fa.gz", "", MD5, "12", "paper", "open", "CC0", "a note"]
PEAKS = ["x.narrowPeak.gz", MD5[4:], "CTCF_A549_CTCF_UW", "CTCF", "A549", "CTCF", "UW", "None", "good", "wgE1", ""]


def registry_file(tmp_path, *rows, header=COLUMNS):
    path = tmp_path / "sources.tsv"
    path.write_text("".join("\t".join(row) + "\n" for row in (header, *rows)))
    return path


def test_a_good_line(tmp_path):
    registry = read_registry(registry_file(tmp_path, [*GOOD[:2], "http://a.b/x ftp://c.d/x", *GOOD[3:]]))
    assert registry == {
        GOOD[0]: Source(*GOOD[:2], ("http://a.b/x", "ftp://c.d/x"), MD5, 12, "CC0", "a note", "paper", "open")
    }


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        (0, "x.fa.gz", "line 2: found the name 'x.fa.gz', expected a path below resources/"),
        (0, "../x.fa.gz", "line 2: found the name '../x.fa.gz'"),
        (0, "hg19/../../x", "line 2: found the name 'hg19/../../x'"),
        (0, "/etc/x", "line 2: found the name '/etc/x'"),
        (0, "hg19//x", "line 2: found the name 'hg19//x'"),
        (1, "", "line 2: found the address '', expected one with http, https or ftp"),
        (1, "file:///x", "line 2: found the address 'file:///x'"),
        (1, "https:///x", "line 2: found the address 'https:///x'"),
        (2, "https://a.b/x nonsense", "line 2: found the address 'nonsense'"),
        (3, "", "line 2: found the checksum '', expected md5:..., sha256:... or unknown"),
        (3, "md5:123", "line 2: found the checksum 'md5:123'"),
        (4, "9 MB", "line 2: found '9 MB' bytes, expected a whole number or nothing"),
        (0, ".partial/x", "line 2: found the name '.partial/x'"),
        (5, "", "line 2: found the set '', expected one word"),
        (6, "free", "line 2: found the access 'free', expected open, login, controlled"),
    ],
)
def test_bad_lines(tmp_path, column, value, sentence):
    row = list(GOOD)
    row[column] = value
    path = registry_file(tmp_path, row)
    with pytest.raises(InputError) as caught:
        read_registry(path)
    assert str(caught.value).startswith(f"{path}, ")
    assert sentence in str(caught.value)


def test_bad_registries(tmp_path):
    with pytest.raises(InputError, match=r"line 3: the name hg19/x\.fa\.gz occurs twice"):
        read_registry(registry_file(tmp_path, GOOD, GOOD))
    with pytest.raises(InputError, match="line 2: the number of columns is '8', expected 9"):
        read_registry(registry_file(tmp_path, GOOD[:-1]))
    with pytest.raises(InputError, match=r"line 1: the column note is missing; found .*expected name, url, mirrors"):
        read_registry(registry_file(tmp_path, GOOD, header=COLUMNS[:-1]))
    (tmp_path / "sources.tsv").write_text("")
    with pytest.raises(InputError, match="empty, expected a table with the columns name, url"):
        read_registry(tmp_path / "sources.tsv")
    with pytest.raises(InputError, match=r"missing\.tsv: cannot be read"):
        read_registry(tmp_path / "missing.tsv")


def test_comment_lines_and_a_byte_order_mark_are_skipped(tmp_path):
    path = registry_file(tmp_path, GOOD)
    path.write_bytes(b"\xef\xbb\xbf# where this comes from\n" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert list(read_registry(path)) == [GOOD[0]]


def tfbs_file(tmp_path, *rows):
    path = tmp_path / "tfbs.tsv"
    path.write_text("".join("\t".join(row) + "\n" for row in (TFBS_COLUMNS, *rows)))
    return path


def changed(row, **values):
    return [values.get(column, value) for column, value in zip(TFBS_COLUMNS, row, strict=True)]


def test_peak_files(tmp_path):
    treated = changed(PEAKS, file="y.narrowPeak.gz", treatment="EtOH")
    caution = changed(PEAKS, file="z.narrowPeak.gz", quality="caution")
    found = tfbs_sources(tfbs_file(tmp_path, PEAKS, treated, caution))
    assert [source.set for source in found.values()] == ["tfbs-506", "tfbs-690", "tfbs-690"]
    first = found["tfbs/x.narrowPeak.gz"]
    assert (first.url, *first.mirrors) == tuple(f"{base}/x.narrowPeak.gz" for base in TFBS_BASES)
    assert first.checksum == MD5 and first.access == "open"


@pytest.mark.parametrize("rows", [[PEAKS, PEAKS], [changed(PEAKS, md5="12")], [changed(PEAKS, file="x.bed")]])
def test_bad_peak_files(tmp_path, rows):
    with pytest.raises(InputError, match=r"tfbs\.tsv, line \d: found x\..* expected one line for each file"):
        tfbs_sources(tfbs_file(tmp_path, *rows))


def test_sets(tmp_path):
    other = changed(PEAKS, file="y.narrowPeak.gz", quality="caution")
    third = changed(PEAKS, file="w.narrowPeak.gz")
    tfbs_file(tmp_path, PEAKS, other, third)
    nine = [f"tfbs/{PEAKS[0]}", *GOOD[1:]]
    registry_file(tmp_path, GOOD, nine)
    registry = load_registry(tmp_path)
    x, y, w = (f"tfbs/{letter}.narrowPeak.gz" for letter in "xyw")
    assert registry[x].set == "paper"  # sources.tsv goes first

    def names(*sets):
        return {source.name for source in select(registry, list(sets))}

    assert names("paper") == {GOOD[0], x}
    assert names("tfbs-506") == {x, w}
    assert names("tfbs-690") == {x, y, w}
    assert names("paper", "tfbs-506") == {GOOD[0], x, w}
    assert names() == set()
    with pytest.raises(InputError, match="retrieve: unknown set papers, expected some of paper, tfbs-506, tfbs-690"):
        names("papers")


def test_sizes_of_the_projects_sets(root):
    registry = load_registry(root / "config")
    assert len(select(registry, ["tfbs-506"])) == 508
    assert sum(source.name.endswith(".narrowPeak.gz") for source in select(registry, ["tfbs-690"])) == 690


# --------------------------------------------------------------------------------------------------- state and command


@pytest.fixture
def source():
    return Source("epd/x.bed", "https://host.org/x.bed", (), MD5, len(CONTENT), "CC0", "a note")


def place(resources, name, content=CONTENT):
    path = resources / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_states(source, tmp_path):
    assert state_of(source, tmp_path) == State("missing")
    part = partial_file(tmp_path, source.name)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"12345")
    assert state_of(source, tmp_path) == State("partial", "5 bytes so far")
    place(tmp_path, source.name)
    assert state_of(source, tmp_path) == State("there")
    place(tmp_path, source.name, CONTENT[1:])
    assert state_of(source, tmp_path) == State("wrong", f"{len(CONTENT) - 1} bytes, expected {len(CONTENT)}")
    place(tmp_path, source.name, CONTENT[::-1])
    assert state_of(source, tmp_path).detail.endswith(f"expected {MD5}")


def test_state_without_a_known_checksum(source, tmp_path):
    source = replace(source, checksum="unknown", bytes=None)
    place(tmp_path, source.name)
    assert state_of(source, tmp_path) == State("unchecked", f"checksum not known; sha256:{SHA256}")
    place(tmp_path, f"checksums/{source.name}.sha256", f"{SHA256}  {source.name}\n".encode())
    assert lock_file(tmp_path, source.name).exists()
    assert state_of(source, tmp_path) == State("there")
    place(tmp_path, source.name, b"other")
    assert state_of(source, tmp_path).state == "wrong"


def test_state_of_what_is_placed_by_hand(source, tmp_path):
    source = replace(source, access="login", checksum="unknown", bytes=None)
    assert state_of(source, tmp_path) == State("to place", "login: https://host.org/x.bed")
    place(tmp_path, source.name)
    assert state_of(source, tmp_path).state == "unchecked"
    write_json(tmp_path / "placed" / f"{source.name}.json", {"sha256": SHA256})
    assert state_of(source, tmp_path) == State("there")
    place(tmp_path, source.name, b"other")
    assert state_of(source, tmp_path).state == "wrong"


def test_command(tmp_path, capsys, monkeypatch):
    registry_file(tmp_path, GOOD, ["epd/x.bed", GOOD[1], "", MD5, "", *GOOD[5:]])
    tfbs_file(tmp_path, PEAKS)
    place(tmp_path / "resources", "epd/x.bed")
    monkeypatch.chdir(tmp_path)
    command = ["sources", "--folder", str(tmp_path)]
    assert main(command) == 0
    table = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in table] == ["state", "missing", "there", "1"]
    assert "tfbs/" not in "".join(table) and table[-1] == "1 missing, 1 there"
    assert main([*command, "tfbs-506", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"name": "tfbs/x.narrowPeak.gz", "set": "tfbs-506", "access": "open", "bytes": None, "state": "missing",
         "detail": ""}
    ]  # fmt: skip
    place(tmp_path / "resources", "epd/x.bed", b"something else")
    assert main(command) == 1
    assert "wrong" in capsys.readouterr().out
    assert main([*command, "papers"]) == 1
    assert capsys.readouterr().err.startswith("error: retrieve: unknown set papers")


def test_command_lists_the_projects_registry_from_anywhere(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "genebert.cli", "sources"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "to place" in done.stdout and "spliceai/canonical_dataset.txt" in done.stdout
    assert "hg19/hg19.fa.gz" in done.stdout
