"""Retrieval from servers: resumed, retried, refused, from mirrors."""

import gzip
import hashlib
import logging
import time
from dataclasses import replace
from urllib.parse import unquote

import certifi
import pycurl
import pytest
from download_inputs import CONTENT, MD5, NAME, QUICK, SHA256, fetched, refused
from http_server import Page

from genebert.errors import InputError
from genebert.sources.download import CERTIFICATES, Patience, retrieve, trust
from genebert.sources.registry import partial_file

# ------------------------------------------------------------------------------------------------ whole and resumed


def test_whole_file(server, source, target):
    fetched(source, target)
    assert not (target.parents[1] / "checksums").exists()  # the registry knows this one
    assert server.asked == [("/file", None)]


def test_a_file_that_stands_is_not_fetched_again(server, source, target):
    fetched(source, target)
    fetched(source, target)
    assert len(server.asked) == 1


def test_sha256_of_the_registry(source, target):
    fetched(replace(source, checksum=f"sha256:{SHA256}"), target)


def test_resume_after_cuts(server, source, target):
    server.pages["/file"].script = ["cut:50000", "cut:70000", "ok"]
    fetched(source, target)
    assert server.asked == [("/file", None), ("/file", "bytes=50000-"), ("/file", "bytes=120000-")]


def test_resume_in_a_later_call(server, source, target):
    server.pages["/file"].script = ["cut:50000", 503]
    refused(source, target, "HTTP status 503", kept_part=50000)
    server.pages["/file"].script = ["ok"]
    fetched(source, target)
    assert server.asked[-1] == ("/file", "bytes=50000-")


def test_resume_with_everything_there_but_the_name(server, source, target):
    server.pages["/file"].script = ["cut:150000", 503]
    refused(source, target, kept_part=150000)
    asked = len(server.asked)
    with partial_file(target.parents[1], NAME).open("ab") as part:
        part.write(CONTENT[150000:])
    fetched(source, target)
    assert len(server.asked) == asked


def test_a_file_that_changed_meanwhile_is_fetched_from_the_beginning(server, source, target):
    server.pages["/file"].script = ["cut:50000", 503]
    refused(replace(source, checksum="unknown"), target, kept_part=50000)
    new = CONTENT[::-1]
    server.pages["/file"] = Page(new, etag='"v2"')
    fetched(replace(source, checksum="unknown"), target, new)


def test_a_changed_file_that_the_server_does_not_notice(server, source, target):
    page = server.pages["/file"]
    page.etag, page.script = None, ["cut:50000", 503]
    page.body = b"x" * len(CONTENT)
    refused(source, target, kept_part=50000)
    server.pages["/file"] = Page(CONTENT, etag=None)
    fetched(source, target)
    assert [wanted for _, wanted in server.asked[-2:]] == ["bytes=50000-", None]


def test_server_that_cannot_go_on(server, source, target):
    server.pages["/file"] = Page(CONTENT, ["cut:50000", "ok"], ranges=False)
    fetched(source, target)


def test_nothing_to_check_a_spliced_file_against(server, source, target):
    server.pages["/file"] = Page(CONTENT, ["cut:50000", "ok"], etag=None)
    fetched(replace(source, checksum="unknown"), target)
    assert [wanted for _, wanted in server.asked] == [None, None]


def test_a_part_that_is_longer_than_the_file(server, source, target):
    server.pages["/file"] = Page(CONTENT * 2, ["cut:300000", 503])
    refused(source, target, kept_part=300000)
    server.pages["/file"] = Page(CONTENT)
    fetched(source, target)


@pytest.mark.parametrize("origin", ["", "{}", "[1", '{"place": "http://elsewhere/file", "validator": "v1"}'])
def test_a_part_of_unknown_origin_is_not_used(server, source, target, origin):
    part = partial_file(target.parents[1], NAME)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"z" * 1000)
    part.with_suffix(".json").write_text(origin)
    fetched(source, target)
    assert server.asked == [("/file", None)]


# ------------------------------------------------------------------------------------------------------ wrong content


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_wrong_checksum(source, target, algorithm):
    found = f"{algorithm}:{hashlib.new(algorithm, CONTENT).hexdigest()}"
    wrong = f"{algorithm}:" + "0" * (len(found) - len(algorithm) - 1)
    refused(replace(source, checksum=wrong), target, source.url, f"found {found}", f"expected {wrong}")


def test_wrong_size(source, target):
    refused(replace(source, bytes=7), target, f"found {len(CONTENT)} bytes, expected 7")


@pytest.mark.parametrize("checksum", [MD5, "unknown"])
def test_truncated_body(server, source, target, checksum):
    server.pages["/file"] = Page(CONTENT, ["cut:70000", "cut:0"])
    refused(replace(source, checksum=checksum, bytes=None), target, "expected the whole file", kept_part=70000)


def test_truncated_body_of_unknown_length(server, source, target):
    server.pages["/file"] = Page(CONTENT, ["cut:70000"], length=False)
    refused(replace(source, bytes=None), target, "(70000 bytes)")


def test_empty_body(server, source, target):
    server.pages["/file"] = Page(b"")
    refused(replace(source, checksum="unknown", bytes=None), target, "found 0 bytes")


@pytest.mark.parametrize("head", [b"<!DOCTYPE html>\n<html>", b"\n  <HTML lang=en>", b'<?xml version="1.0"?><!DOCTYPE'])
def test_html_page_with_status_200(server, source, target, head):
    server.pages["/file"] = Page(head + b"<body>Please sign in</body></html>")
    refused(replace(source, checksum="unknown", bytes=None), target, "found an HTML page")


def test_html_is_fine_where_html_is_asked_for(server, source, tmp_path):
    server.pages["/file"] = Page(b"<html></html>")
    source = replace(source, name="pages/index.html", checksum="unknown", bytes=None)
    retrieve(source, tmp_path / "pages/index.html", None, QUICK)
    assert (tmp_path / "pages/index.html").read_bytes() == b"<html></html>"


def test_cut_gzip_without_any_length_or_checksum(server, source, tmp_path):
    source = replace(source, name="hg19/x.fa.gz", checksum="unknown", bytes=None)
    target = tmp_path / "resources/hg19/x.fa.gz"
    whole = gzip.compress(CONTENT, mtime=0)
    for body in (whole[:-20], CONTENT):
        server.pages["/file"] = Page(body, length=False)
        refused(source, target, "damaged gzip file")
    server.pages["/file"] = Page(whole, length=False)
    fetched(source, target, whole)


def test_a_file_that_stands_is_kept_when_the_new_one_is_wrong(source, target):
    fetched(source, target)
    refused(replace(source, checksum="md5:" + "0" * 32), target)
    assert target.read_bytes() == CONTENT


def test_first_seen_checksum_is_recorded_and_enforced(server, source, target):
    source = replace(source, checksum="unknown", bytes=None)
    retrieve(source, target, None, QUICK)
    lock = target.parents[1] / "checksums" / f"{NAME}.sha256"
    assert lock.read_text() == f"{SHA256}  {NAME}\n"
    target.unlink()
    server.pages["/file"] = Page(CONTENT[:100], etag='"v2"')
    refused(source, target, f"expected sha256:{SHA256}", str(lock))
    server.pages["/file"] = Page(CONTENT)
    retrieve(source, target, None, QUICK)
    assert target.read_bytes() == CONTENT
    lock.unlink()
    target.unlink()
    server.pages["/file"] = Page(CONTENT[:100], etag='"v2"')
    retrieve(source, target, None, QUICK)
    assert target.read_bytes() == CONTENT[:100]


# --------------------------------------------------------------------------------------------------- difficult servers


def test_404_then_mirror(server, source, target, caplog):
    server.pages["/other"] = Page(CONTENT)
    source = replace(source, url=f"{server.url}/gone", mirrors=(f"{server.url}/other",))
    with caplog.at_level(logging.WARNING, "genebert"):
        fetched(source, target)
    assert "HTTP status 404" in caplog.text
    assert [path for path, _ in server.asked] == ["/gone", "/other"]  # no second try


def test_wrong_checksum_then_mirror(server, source, target):
    server.pages["/stale"] = Page(CONTENT[1:])
    server.pages["/other"] = Page(CONTENT)
    fetched(replace(source, url=f"{server.url}/stale", bytes=None, mirrors=(f"{server.url}/other",)), target)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_busy_then_success(server, source, target, status):
    server.pages["/file"].script = [status, status, "ok"]
    fetched(source, target)
    assert len(server.asked) == 3


def test_waiting_as_long_as_the_server_asks(server, source, target, monkeypatch):
    waits = []
    monkeypatch.setattr("genebert.sources.download.time.sleep", waits.append)
    server.pages["/file"] = Page(CONTENT, [503, 503, 503, "ok"], headers={"Retry-After": "7"})
    retrieve(source, target, None, Patience(attempts=4, wait=2, longest_wait=30, timeout=5))
    assert waits == [7, 7, 8]


def test_back_off_starts_again_after_progress(server, source, target, monkeypatch):
    waits = []
    monkeypatch.setattr("genebert.sources.download.time.sleep", waits.append)
    server.pages["/file"].script = [503, 503, "cut:9000", 503, "cut:9000", "ok"]
    retrieve(source, target, None, Patience(attempts=3, wait=1, longest_wait=30, timeout=5))
    assert waits == [1, 2, 1, 2, 1]
    assert target.read_bytes() == CONTENT


def test_every_place_is_named_when_all_fail(server, source, target):
    source = replace(source, url=f"{server.url}/gone", mirrors=(f"{server.url}/away",))
    server.pages["/away"] = Page(b"busy", [503])
    refused(source, target, f"{server.url}/gone: found HTTP status 404", f"{server.url}/away: found HTTP status 503")
    assert [path for path, _ in server.asked] == ["/gone", "/away", "/away", "/away"]


def test_host_that_does_not_answer(source, target):
    refused(replace(source, url="http://127.0.0.1:1/file"), target, "http://127.0.0.1:1/file: found")
    refused(replace(source, url="ftp://127.0.0.1:1/file"), target, "ftp://127.0.0.1:1/file: found")


def test_slow_server_is_waited_for_and_progress_is_shown(server, source, target, caplog):
    server.pages["/file"].script = ["slow"]
    with caplog.at_level(logging.INFO, "genebert"):
        retrieve(source, target, None, replace(QUICK, log_every=0.03))
    lines = [line for line in caplog.messages if "MB/s" in line]
    assert lines and all("of 0.2 MB" in line and "s left" in line for line in lines)
    assert target.read_bytes() == CONTENT


def test_server_that_goes_silent(server, source, target):
    server.pages["/file"].script = ["stall:60000", "ok"]
    began = time.monotonic()
    fetched(source, target)
    assert 0.9 < time.monotonic() - began < 10
    assert server.asked[1] == ("/file", "bytes=60000-")


def test_redirect(server, source, target):
    server.pages["/old"] = Page(b"moved", [302], headers={"Location": f"{server.url}/file"})
    fetched(replace(source, url=f"{server.url}/old"), target)
    server.pages["/login"] = Page(b"<!doctype html><p>Sign in</p>")
    server.pages["/old"].headers = {"Location": "/login"}
    refused(replace(source, url=f"{server.url}/old", checksum="md5:" + "0" * 32), target, "found an HTML page")


def test_redirect_in_a_circle(server, source, target):
    server.pages["/round"] = Page(b"", [302], headers={"Location": "/round"})
    refused(replace(source, url=f"{server.url}/round"), target, "expected the whole file")
    assert len(server.asked) == 11


# ------------------------------------------------------------------------------------------------------------- mirror


@pytest.mark.parametrize("slash", ["", "/"])
def test_mirror_by_url_replaces_the_host(server, source, tmp_path, slash):
    source = replace(source, name="tfbs/CTCF_BE(2)-C.gz")
    server.pages[f"/copy/{source.name}"] = Page(CONTENT)
    retrieve(source, tmp_path / source.name, f"{server.url}/copy{slash}", QUICK)
    assert (tmp_path / source.name).read_bytes() == CONTENT
    assert [unquote(path) for path, _ in server.asked] == [f"/copy/{source.name}"]


def test_mirror_by_folder_asks_no_host(server, source, target, tmp_path):
    mirror = tmp_path / "a copy (2)"
    (mirror / NAME).parent.mkdir(parents=True)
    refused(source, target, f"{mirror / NAME}: found no such file", mirror=str(mirror))
    (mirror / NAME).write_bytes(CONTENT[1:])
    refused(source, target, f"{len(CONTENT) - 1} bytes", mirror=str(mirror))
    (mirror / NAME).write_bytes(CONTENT)
    fetched(source, target, mirror=str(mirror))
    assert server.asked == []


# ------------------------------------------------------------------------------------------------------- certificates


def test_certificates_are_those_of_the_first_variable_that_is_set(tmp_path, monkeypatch):
    """In the order of curl; an empty variable is none."""
    for name in CERTIFICATES:
        monkeypatch.delenv(name, raising=False)
    assert trust() == (pycurl.CAINFO, certifi.where())
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"):
        (tmp_path / name).touch()
        monkeypatch.setenv(name, str(tmp_path / name))
        assert trust() == (pycurl.CAINFO, str(tmp_path / name))
    monkeypatch.setenv("CURL_CA_BUNDLE", "")
    assert trust()[1] == str(tmp_path / "SSL_CERT_FILE")
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path))
    assert trust() == (pycurl.CAPATH, str(tmp_path))


@pytest.mark.parametrize("name", CERTIFICATES)
def test_certificates_that_do_not_exist(source, target, name, monkeypatch):
    for other in CERTIFICATES:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "/no/such.pem")
    sentence = f"^{name}: found /no/such.pem, which does not exist; expected a file or folder of certificates$"
    with pytest.raises(InputError, match=sentence):
        retrieve(source, target, None, QUICK)
    assert not target.exists()
