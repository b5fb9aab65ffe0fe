import gzip
import hashlib
import http.server
import logging
import threading
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from genebert.errors import InputError
from genebert.sources import COLUMNS, Source, read_registry, retrieve

CONTENT = b"chr1 960583 960643 KLHL17_1 900 + 960632 960643\n" * 500
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = "epdnew/promoters.bed"


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.pages`: path to (status, body, further headers)."""

    def do_GET(self):
        self.server.asked.append(self.path)
        status, body, headers = self.server.pages.get(unquote(self.path), (404, b"<html>not here</html>", {}))
        self.send_response(status)
        for key, value in ({"Content-Length": str(len(body))} | headers).items():
            if value is not None:
                self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        served.pages, served.asked = {"/file": (200, CONTENT, {})}, []
        served.url = f"http://127.0.0.1:{served.server_port}"
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        served.shutdown()
        thread.join()


@pytest.fixture
def source(server):
    return Source(NAME, f"{server.url}/file", (), MD5, len(CONTENT), "unknown", "see the EPD page")


@pytest.fixture
def target(tmp_path):
    return tmp_path / "resources" / NAME


def refused(source: Source, target: Path, *words: str, mirror: str | None = None) -> None:
    """Retrieval fails with one sentence that holds `words`, and nothing stays behind."""
    before = {path: path.read_bytes() for path in target.parents[1].rglob("*") if path.is_file()}
    with pytest.raises(InputError) as caught:
        retrieve(source, target, mirror)
    message = str(caught.value)
    assert "\n" not in message
    for word in (source.name, str(target), "`mirror`", source.note, *words):
        assert word in message
    assert {path: path.read_bytes() for path in target.parents[1].rglob("*") if path.is_file()} == before


def test_whole_file(source, target):
    retrieve(source, target)
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert not (target.parents[1] / "checksums").exists()  # the registry knows this one


def test_sha256_of_the_registry(source, target):
    retrieve(replace(source, checksum=f"sha256:{SHA256}"), target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_wrong_checksum(source, target, algorithm):
    found = f"{algorithm}:{hashlib.new(algorithm, CONTENT).hexdigest()}"
    wrong = f"{algorithm}:" + "0" * (len(found) - len(algorithm) - 1)
    refused(replace(source, checksum=wrong), target, source.url, f"found {found}", f"expected {wrong}")


def test_wrong_size(source, target):
    refused(replace(source, bytes=7), target, f"found {len(CONTENT)} bytes, expected 7")


@pytest.mark.parametrize("checksum", [MD5, "unknown"])
def test_truncated_body(server, source, target, checksum):
    server.pages["/file"] = (200, CONTENT[:-9], {"Content-Length": str(len(CONTENT))})
    refused(replace(source, checksum=checksum, bytes=None), target, "expected the whole file")


def test_empty_body(server, source, target):
    server.pages["/file"] = (200, b"", {})
    refused(replace(source, checksum="unknown", bytes=None), target, "found 0 bytes")


@pytest.mark.parametrize("head", [b"<!DOCTYPE html>\n<html>", b"\n  <HTML lang=en>"])
def test_html_page_with_status_200(server, source, target, head):
    server.pages["/file"] = (200, head + b"<body>Please sign in</body></html>", {})
    refused(replace(source, checksum="unknown", bytes=None), target, "found an HTML page")


def test_html_is_fine_where_html_is_asked_for(server, source, tmp_path):
    server.pages["/file"] = (200, b"<html></html>", {})
    target = tmp_path / "pages/index.html"
    retrieve(replace(source, name="pages/index.html", checksum="unknown", bytes=None), target)
    assert target.read_bytes() == b"<html></html>"


def test_cut_gzip_without_any_length_or_checksum(server, source, tmp_path):
    source = replace(source, name="hg19/x.fa.gz", checksum="unknown", bytes=None)
    target = tmp_path / "resources/hg19/x.fa.gz"
    whole = gzip.compress(CONTENT, mtime=0)
    for body in (whole[:-20], CONTENT):
        server.pages["/file"] = (200, body, {"Content-Length": None})
        refused(source, target, "damaged gzip file")
    server.pages["/file"] = (200, whole, {"Content-Length": None})
    retrieve(source, target)
    assert target.read_bytes() == whole


def test_404_then_mirror(server, source, target, caplog):
    server.pages["/other"] = (200, CONTENT, {})
    source = replace(source, url=f"{server.url}/gone", mirrors=(f"{server.url}/other",))
    with caplog.at_level(logging.WARNING, "genebert"):
        retrieve(source, target)
    assert target.read_bytes() == CONTENT
    assert "HTTP status 404" in caplog.text


def test_every_place_is_named_when_all_fail(server, source, target):
    source = replace(source, url=f"{server.url}/gone", mirrors=(f"{server.url}/away",))
    server.pages["/away"] = (503, b"busy", {})
    refused(source, target, f"{server.url}/gone: found HTTP status 404", f"{server.url}/away: found HTTP status 503")


def test_host_that_does_not_answer(source, target):
    refused(replace(source, url="http://127.0.0.1:1/file"), target, "http://127.0.0.1:1/file: found")
    refused(replace(source, url="ftp://127.0.0.1:1/file"), target, "ftp://127.0.0.1:1/file: found")


@pytest.mark.parametrize("slash", ["", "/"])
def test_mirror_by_url_replaces_the_host(server, source, tmp_path, slash):
    source = replace(source, name="tfbs/CTCF_BE(2)-C.gz", checksum=MD5)
    server.pages[f"/copy/{source.name}"] = (200, CONTENT, {})
    target = tmp_path / source.name
    retrieve(source, target, f"{server.url}/copy{slash}")
    assert target.read_bytes() == CONTENT
    assert [unquote(path) for path in server.asked] == [f"/copy/{source.name}"]


def test_mirror_by_folder_asks_no_host(server, source, target, tmp_path):
    mirror = tmp_path / "copy"
    (mirror / NAME).parent.mkdir(parents=True)
    refused(source, target, f"{mirror / NAME}: found No such file or directory", mirror=str(mirror))
    (mirror / NAME).write_bytes(CONTENT[1:])
    refused(source, target, f"{len(CONTENT) - 1} bytes", mirror=str(mirror))
    (mirror / NAME).write_bytes(CONTENT)
    retrieve(source, target, str(mirror))
    assert target.read_bytes() == CONTENT
    assert server.asked == []


def test_a_file_that_stands_is_kept_when_the_new_one_is_wrong(source, target):
    retrieve(source, target)
    refused(replace(source, checksum="md5:" + "0" * 32), target)
    assert target.read_bytes() == CONTENT


def test_first_seen_checksum_is_recorded_and_enforced(server, source, target):
    source = replace(source, checksum="unknown", bytes=None)
    retrieve(source, target)
    lock = target.parents[1] / "checksums" / f"{NAME}.sha256"
    assert lock.read_text() == f"{SHA256}  {NAME}\n"
    target.unlink()
    server.pages["/file"] = (200, CONTENT[:100], {})
    refused(source, target, f"expected sha256:{SHA256}", str(lock))
    server.pages["/file"] = (200, CONTENT, {})
    retrieve(source, target)
    assert target.read_bytes() == CONTENT
    lock.unlink()
    server.pages["/file"] = (200, CONTENT[:100], {})
    retrieve(source, target)
    assert target.read_bytes() == CONTENT[:100]


def test_target_that_cannot_be_written(source, tmp_path):
    (tmp_path / "epdnew").write_text("a file where a folder must be")
    with pytest.raises(
        InputError, match=r"promoters\.bed: cannot be written .*expected a folder with write permission"
    ):
        retrieve(source, tmp_path / NAME)
    (tmp_path / "resources" / NAME).mkdir(parents=True)
    with pytest.raises(InputError, match="found a folder, expected a file"):
        retrieve(source, tmp_path / "resources" / NAME)


def test_target_must_be_below_its_name(source, tmp_path):
    with pytest.raises(ValueError, match="does not end in"):
        retrieve(source, tmp_path / "elsewhere.bed")


# ---------------------------------------------------------------------------------------------------------- registry


def test_registry_of_the_project(root):
    registry = read_registry(root / "config/sources.tsv")
    for name, source in registry.items():
        assert source.name == name and source.licence and source.note
    assert registry["hg19/hg19.fa.gz"].checksum == "md5:806c02398f5ac5da8ffd6da2d1d5d1a9"
    assert registry["epdnew/Hs_EPDnew_006_hg19.bed"].mirrors[0].startswith("ftp://")


def test_every_path_of_the_paper_config_is_in_the_registry(root):
    registry = read_registry(root / "config/sources.tsv")
    text = (root / "config/config.yaml").read_text()
    paths = [item for item in _strings(yaml.safe_load(text)) if item.startswith("{data}/")]
    assert len(paths) >= 6
    for path in paths:
        name = path.removeprefix("{data}/")
        assert name in registry or any(known.startswith(f"{name}/") for known in registry)
    assert {f"dnabert6/{file}" for file in ("config.json", "vocab.txt", "pytorch_model.bin")} <= set(registry)


def _strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


GOOD = ["hg19/x.fa.gz", "https://host.org/x.fa.gz", "", MD5, "12", "CC0", "a note"]


def registry_file(tmp_path, *rows, header=COLUMNS):
    path = tmp_path / "sources.tsv"
    path.write_text("".join("\t".join(row) + "\n" for row in (header, *rows)))
    return path


def test_a_good_line(tmp_path):
    registry = read_registry(registry_file(tmp_path, [*GOOD[:2], "http://a.b/x ftp://c.d/x", *GOOD[3:]]))
    assert registry == {GOOD[0]: Source(*GOOD[:2], ("http://a.b/x", "ftp://c.d/x"), MD5, 12, "CC0", "a note")}


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        (0, "x.fa.gz", "line 2: found the name 'x.fa.gz', expected a path below resources/"),
        (0, "../x.fa.gz", "line 2: found the name '../x.fa.gz'"),
        (0, "/etc/x", "line 2: found the name '/etc/x'"),
        (0, "hg19//x", "line 2: found the name 'hg19//x'"),
        (1, "", "line 2: found the address '', expected one with http, https or ftp"),
        (1, "file:///x", "line 2: found the address 'file:///x'"),
        (2, "https://a.b/x nonsense", "line 2: found the address 'nonsense'"),
        (3, "", "line 2: found the checksum '', expected md5:..., sha256:... or unknown"),
        (3, "md5:123", "line 2: found the checksum 'md5:123'"),
        (4, "9 MB", "line 2: found '9 MB' bytes, expected a whole number or nothing"),
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
    with pytest.raises(InputError, match="line 2: found 6 columns, expected 7"):
        read_registry(registry_file(tmp_path, GOOD[:-1]))
    with pytest.raises(InputError, match=r"line 1: found .*expected name, url, mirrors"):
        read_registry(registry_file(tmp_path, GOOD, header=COLUMNS[:-1]))
    (tmp_path / "sources.tsv").write_text("")
    with pytest.raises(InputError, match="line 1: found nothing"):
        read_registry(tmp_path / "sources.tsv")
    with pytest.raises(InputError, match=r"missing\.tsv: cannot be read"):
        read_registry(tmp_path / "missing.tsv")
