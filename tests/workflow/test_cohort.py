"""The rule of the simulated cohort: what it waits for, a real run, and a run that is refused."""

import gzip

import pytest
from cohort_inputs import random_bases
from run_snakemake import DEMO, counts, jobs, snakemake

from genebert.sources.cohort import check_phenotypes

pytestmark = pytest.mark.workflow

SMALL = """
run: small
chromosomes: [chr1]
genome: {build: small, fasta: small.fa}
cohort:
  cases: 20
  controls: 20
  chromosome: 1
  start: 0
  end: 30000
  sites: {rs2435357: null, rs7069590: null, rs2506030: null, mine: MINE}
"""
SITE = "{factor: SOX10, frequency: {chinese: 0.3}, odds_ratio: 3, position: POSITION}"


@pytest.mark.parametrize(
    ("config", "build", "first"), [((), "hg19", "download"), (DEMO, "toy", "simulate")], ids=["paper", "demo"]
)
def test_plan(root, tmp_path, config, build, first):
    """It needs the genome of the run and JASPAR, nothing else; the build keeps runs apart."""
    target = f"resources/simulated/cohort/{build}/cohort.vcf.gz"
    done = snakemake(root, "-n", "--directory", str(tmp_path), *config, "--", target)
    assert counts(done) == dict.fromkeys((first, "genome", "jaspar", "cohort"), 1)
    assert [name for name, _ in jobs(done)][-1] == "cohort" and f"{target}.tbi" in done.stdout
    other = "resources/simulated/cohort/hg38/cohort.vcf.gz"
    assert snakemake(root, "-n", "--directory", str(tmp_path), *config, "--", other).returncode != 0


def run(root, folder, site):
    (folder / "small.yaml").write_text(SMALL.replace("MINE", site))
    (folder / "small.fa").write_text(f">1\n{random_bases(30_000)}\n")
    target = "resources/simulated/cohort/small/effects.tsv"
    arguments = ("--cores", "1", "--directory", str(folder), "--configfile", str(folder / "small.yaml"), "--", target)
    return snakemake(root, *arguments), folder / "resources/simulated/cohort/small"


@pytest.mark.slow
def test_run_and_refusal(root, tmp_path):
    done, folder = run(root, tmp_path, SITE.replace("POSITION", "null"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert check_phenotypes(folder / "phenotypes.tsv")["counts"]["cohort"] == {"simulated": 40}
    with gzip.open(folder / "cohort.vcf.gz", "rt") as lines:
        assert "##contig=<ID=chr1,length=30000,assembly=small>\n" in list(lines)
    assert (folder / "effects.tsv").read_text().splitlines()[1].startswith("mine\tchr1\t")
    done, folder = run(root, tmp_path, SITE.replace("POSITION", "31000, risk: A, other: C"))
    assert done.returncode != 0 and "Traceback" not in done.stdout + done.stderr
    log = (tmp_path / "logs/small/cohort/cohort.log").read_text()
    assert "cohort.sites.mine.position: found 31000, expected 1001 to 29000, where its element" in log
    assert "Traceback" not in log and not [path for path in folder.parent.rglob("*") if path.is_file()]
