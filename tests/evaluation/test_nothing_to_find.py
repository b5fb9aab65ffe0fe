"""People whose status is random: nothing may be found (docs/disease.md)."""

import gzip
import json

import pysam
import pytest
from finetune_inputs import make_folder

from genebert.genome.fasta import prepare_genome
from genebert.methods.run import FitJob, run_method
from genebert.tasks.base import Sources
from genebert.tasks.disease import TASK

METHODS = ("sex", "common-variants", "haplotypes")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def people(tmp_path_factory, shared_data):
    """Files of 1,126 people of the 1000 Genomes with a simulated status, and the folder of their data set."""
    folder = tmp_path_factory.mktemp("edn3")
    vcf = folder / "people.vcf.gz"
    with (
        gzip.open(shared_data / "variants/1000g_chr20_sparse_1126.vcf.gz") as given,
        pysam.BGZFile(str(vcf), "w") as out,
    ):
        out.write(given.read())
    pysam.tabix_index(str(vcf), preset="vcf")
    prepare_genome(shared_data / "genome/chr20.fa.gz", folder / "genome.fa", "hg19", ["chr20"])
    (folder / "windows.bed").write_text("chr20\t57500000\t58300000\n")
    files = {"vcf": vcf, "phenotypes": shared_data / "variants/1000g_1126_phenotypes.tsv",
             "regions": folder / "windows.bed"}  # fmt: skip
    settings = {"sample": "sample.id", "simulated": True}
    (folder / "set").mkdir()
    card = TASK.build(settings, Sources(files, folder / "genome.fa", ["chr20"], 42), folder / "set")
    return folder, files | {"genome": folder / "genome.fa", "model": make_folder(folder / "model", positions=512)}, card


def test_the_cohort(people):
    cohort = people[2]["cohort"]
    assert (cohort["people"], cohort["cases"], cohort["controls"]) == (1126, 108, 1018)
    assert cohort["simulated"] and cohort["sites"] == 14
    # Every REF is that of the genome.
    assert people[2]["genotypes"]["other_ref"] == 0


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_found(people, tmp_path, method):
    folder, files, _ = people
    options = {"frozen": True, "learning_rate": 1e-2, "epochs": 3} if method == "haplotypes" else {}
    about = {"task": "disease", "dataset": "EDN3", "name": method, "method": method, "data": folder / "set"}
    here = {"output": tmp_path / "out", "checkpoints": tmp_path / "checkpoints"}
    run_method(FitJob(**about, **here, seeds=[0], options=options, files=files))
    metrics = json.loads((tmp_path / "out/seed0.json").read_text())["metrics"]
    assert abs(metrics["roc_auc"] - 0.5) < 0.1 and metrics["permutation_p"] > 0.05
