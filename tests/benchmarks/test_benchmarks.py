"""Every benchmark at its smallest size: it runs, and prints what it compares. Its figures say nothing here."""

import json
import os
import re
import subprocess
import sys

import pandas as pd
import pytest

LINES = {
    "accessibility": [r"differs: ", *(rf"{kind} .* \d+\.\d\d +\d+\.\d\d$" for kind in ("mtx", "dgcmatrix", "h5ad"))],
    "explained": [r' "fitted": 240,$', r' "held_out": 160,$', r' "GC and CpG": \{$', r' "genebert": \{$'],
    "matching": [rf' "srm_{name}": \{{$' for name in ("accuracy", "matched", "swapped")] + [r'  "dinucleotides": '],
    "motifs": [
        r"bare MOODS with thresholds and tables .* x 1\.00 of bare MOODS$",
        r"binary matrix, 1 process.* x \d+\.\d\d of bare MOODS$",
        r"counts matrix, 1 process.* x \d+\.\d\d of bare MOODS$",
        r"max_score matrix, 1 process.* windows/s$",
    ],
    "pretraining": [
        r"differs: ",
        r"plain +[\d,]+ +1\.00$",
        r"ours +[\d,]+ +\d+\.\d\d +\d+\.\d%$",
        r"ours, float32 +[\d,]+ +\d+\.\d\d +\d+\.\d%$",
        r"plain, no attention dropout +[\d,]+ +1\.00$",
        r"ours, no attention dropout +[\d,]+ +\d+\.\d\d +\d+\.\d%$",
        r"ours, with region-transformer and matching +[\d,]+ +- +\d+\.\d%$",
        r" +2 x +64 tokens ",
    ],
    "splicing": [
        r"SpliceAI, context 80: 93,763 weights, 1 blocks at once$",
        r"plain +[\d,]+ +1\.00 +[\d,]+ +1\.00$",
        r"ours +[\d,]+ +\d+\.\d\d +[\d,]+ +\d+\.\d\d$",
        r"ours, float32 +[\d,]+ +\d+\.\d\d +[\d,]+ +\d+\.\d\d$",
        r"2,000 +[\d,]+ +[\d,]+ +\d+\.\d\d$",
        r"sums over 81 bases +[\d,]+$",
        r"2 x 3 trees +[\d,]+$",
    ],
    "variants": [
        r"8 people, 2 windows of 2,000 bases, \d+ alleles",
        r"ours, all in +\d+\.\d\d s$",
        r"bcftools consensus, of 8 people .* x \d+\.\d of ours$",
        r"the same sequences: yes$",
    ],
    "workflow": [
        r"plan of the paper's run: .* \d+\.\d\d of the target$",
        r"demo to simulate on 2 cores: .* of the target$",
    ],
    "rehearsal": [
        r"0\.0002 of the paper's size: 200 regions",
        r"  accessibility, dgcmatrix .* x reading",
        r"  accessibility, mtx .* x reading",
        r"  2,\d\d\d accessible pairs, .* random batches of 128",
    ],
}


def test_every_benchmark_is_run_here(root):
    helpers = {"rehearsal_inputs"}
    assert {path.stem for path in (root / "benchmarks").glob("*.py")} - helpers == LINES.keys()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.workflow] if name in ("workflow", "rehearsal") else []) for name in LINES],
)
def test_smallest_size(root, name):
    done = subprocess.run(
        [sys.executable, root / f"benchmarks/{name}.py", "--smallest"],
        env=os.environ | {"PYTHONPATH": str(root / "src")},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for line in LINES[name]:
        assert re.search(f"^{line}", done.stdout, flags=re.MULTILINE), f"{line}\nin\n{done.stdout}"


@pytest.mark.slow
def test_explained_says_the_share_of_every_motif(root, tmp_path):
    done = subprocess.run(
        [sys.executable, root / "benchmarks/explained.py", "--smallest", "--each", tmp_path / "each.tsv"],
        env=os.environ | {"PYTHONPATH": str(root / "src")},
        capture_output=True,
        text=True,
        timeout=400,
        check=True,
    )
    found, each = json.loads(done.stdout), pd.read_csv(tmp_path / "each.tsv", sep="\t")
    assert list(each) == ["matrix_id", "name", *(name for name, figures in found.items() if isinstance(figures, dict))]
    assert len(each) == found["motifs"]
    assert each["genebert"].median() == pytest.approx(found["genebert"]["p50"], abs=1e-3)
