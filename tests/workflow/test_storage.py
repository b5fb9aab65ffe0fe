"""Results in object storage: the documented command against an S3 server of this machine, no line of a rule changed."""

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request
from urllib.error import HTTPError, URLError

import pytest
from run_snakemake import TINY, counts, snakemake

MISSING = [name for name in ("snakemake_storage_plugin_s3", "moto", "flask") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.workflow,
    pytest.mark.skipif(bool(MISSING), reason=f"no {', '.join(MISSING)}: pip install '.[s3]' 'moto[s3,server]'"),
]
NOBODY = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_DEFAULT_REGION": "us-east-1"}


def ask(address, method="GET", **headers):
    """Return what a server answers."""
    with urllib.request.urlopen(urllib.request.Request(address, None, headers, method=method), timeout=10) as answer:
        return answer.read()


@pytest.fixture(scope="module")
def bucket():
    """The address of an empty bucket."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    address = f"http://127.0.0.1:{port}/bucket"
    try:
        for _ in range(300):
            try:
                ask(address, "PUT", **{"x-amz-acl": "public-read"})  # looked into without keys
                break
            except URLError:
                assert server.poll() is None, "the server has ended"
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait()


def run(root, bucket, scratch, *words):
    """Call Snakemake as docs/slurm.md has it: the working folder is the local copy of a folder of the bucket."""
    folder = scratch / "s3/bucket/mine"
    folder.mkdir(parents=True, exist_ok=True)
    storage = (
        "--directory", folder, "--local-storage-prefix", scratch, "--default-storage-provider", "s3",
        "--default-storage-prefix", "s3://bucket/mine", "--storage-s3-endpoint-url", bucket.removesuffix("/bucket"),
    )  # fmt: skip
    keys = {name: value for name, value in NOBODY.items() if name not in os.environ}
    return snakemake(root, *storage, *TINY, *words, **keys)


def test_the_data_half_in_a_bucket(root, finished, bucket, tmp_path):
    """The same bytes as on a disk; another machine, with an empty folder, finds them done and fetches what it needs."""
    done = run(root, bucket, tmp_path / "one", "--cores", "2", "--", "corpus")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("accessibility/accessible.h5ad", "sequences/regions.npy", "motifs/matrix.npy", "corpus/groups.npz"):
        path = f"results/tiny/{name}"
        assert ask(f"{bucket}/mine/{path}") == (finished / path).read_bytes(), name
        assert not (tmp_path / "one/s3/bucket/mine" / path).exists()  # a copy that nobody reads any more goes
    assert counts(run(root, bucket, tmp_path / "two", "-n", "--", "corpus")) == {}
    table = run(root, bucket, tmp_path / "two", "-n", "--", "table1")  # the paper's values are the checkout's
    assert "table" in counts(table) and "genome" not in counts(table)
    score = "results/tiny/scores/promoter/prom-core/kmer-logreg/seed0.json"
    done = run(root, bucket, tmp_path / "two", "--cores", "1", "--", score)
    assert done.returncode == 0, done.stdout + done.stderr
    assert b'"kmer-logreg"' in ask(f"{bucket}/mine/{score}")


def test_without_the_folder_of_that_name_jobs_find_nothing(root, bucket, tmp_path):
    """Settings name files below the working folder, which is then none of the storage's: said in docs/slurm.md."""
    with pytest.raises(HTTPError):
        ask(f"{bucket}/other/resources/simulated/peaks.bed")
    done = snakemake(root, "--directory", tmp_path, "--default-storage-provider", "s3", "--default-storage-prefix",
                     "s3://bucket/other", "--storage-s3-endpoint-url", bucket.removesuffix("/bucket"), *TINY,
                     "--cores", "1", "--", "results/tiny/accessibility/summary.json",
                     **{name: value for name, value in NOBODY.items() if name not in os.environ})  # fmt: skip
    assert done.returncode == 1
    assert "error: resources/simulated/blacklist.bed: cannot be read (No such file or directory)" in done.stderr
