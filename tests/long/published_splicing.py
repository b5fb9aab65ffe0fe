"""Labels and metrics of splicing, judged by SpliceAI's published networks on all genes of a chromosome.

    GENEBERT_SPLICEAI=FOLDER python tests/long/published_splicing.py --genome chr20.fa.gz \
        --table canonical_dataset.txt.gz [--chromosomes chr20] [--threads 2]

Their training had these genes, so that the ensemble must find nearly all sites again: an error of a label, a strand or
a metric shows at once. It had the sites that RNA of GTEx adds as well, which are no sites of this table: its authors
expect 0.9 and more here (docs/facts.md 39). Ends with exit status 1 where the top-k accuracy is below `--expected`.
For non-commercial use only (docs/tasks.md).
"""

import argparse
import json
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from genebert.evaluation.examples import SPLITS, Examples
from genebert.evaluation.kinds.base import Scored
from genebert.evaluation.kinds.base_classes import BaseClasses
from genebert.evaluation.site_ranks import METRICS
from genebert.genome.fasta import Genome, prepare_genome
from genebert.methods.registry import find_method
from genebert.tasks.base import Sources
from genebert.tasks.registry import all_tasks
from genebert.tasks.splicing import SplicingSettings

# Longer blocks than in training: less of the work is context. The metrics do not depend on them.
BLOCK = 40_000


def read_genes(genome: Path, table: Path, chromosomes: list[str], folder: Path) -> Examples:
    """Return the blocks of all genes, whatever their split; those left out of all splits are few and told."""
    prepare_genome(genome, folder / "genome.fa", "hg19", chromosomes)
    settings = asdict(SplicingSettings(split="gene", block_bp=BLOCK)) | {"table": str(table)}
    seed = settings.pop("seed")
    task = all_tasks()["splicing"]
    card = task.build(settings, Sources({"table": table}, folder / "genome.fa", chromosomes, seed), folder)
    left_out = card["left_out"]
    print(f"left out: {json.dumps(left_out)}; sites beside GT and AG: {json.dumps(card['motifs'])}", flush=True)
    parts = pd.concat([pd.read_parquet(folder / f"{split}.parquet") for split in SPLITS], ignore_index=True)
    return Examples(parts, "all genes", Genome(folder / "genome.fa"))


def main() -> None:
    """Score, and print what the metrics say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genome", type=Path, required=True, help="FASTA of hg19")
    parser.add_argument("--table", type=Path, required=True, help="SpliceAI's canonical_dataset.txt")
    parser.add_argument("--chromosomes", nargs="+", default=["chr20"])
    parser.add_argument("--expected", type=float, default=0.9, help="least top-k accuracy")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32", help="bfloat16: 5 x as fast")
    parser.add_argument("--predictions", type=Path, help="Parquet for all sites and the highest scores")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    kind = BaseClasses({"kind": BaseClasses.name})
    with tempfile.TemporaryDirectory() as folder:
        genes = read_genes(asked.genome, asked.table, asked.chromosomes, Path(folder))
        fitted = find_method("spliceai-published")(kind, {}, {}, {}).fit(genes, genes, 0)
        fitted = replace(fitted, precision=asked.precision)
        start, scores = time.perf_counter(), np.empty((*genes.labels.shape, 3), dtype=np.float32)
        for first in range(0, len(genes), 50):
            rows = np.arange(first, min(first + 50, len(genes)))
            scores[rows] = fitted.score(genes.subset(rows))
            print(f"{rows[-1] + 1} of {len(genes)} blocks, {time.perf_counter() - start:.0f} s", flush=True)
    found = kind.metrics(Scored(genes, scores))
    if asked.predictions:
        kind.predictions(Scored(genes, scores)).to_parquet(asked.predictions)
    counts = {name: found[name] for name in ("n_genes", "n_positions", "n_sites")}
    print(json.dumps(counts | {metric: found[metric] for metric in METRICS}, indent=1))
    for site in ("acceptor", "donor"):
        print(site, json.dumps(found[site]))
    if found["top_k"] < asked.expected:
        raise SystemExit(f"top-k accuracy {found['top_k']:.4f}, expected at least {asked.expected}")


if __name__ == "__main__":
    main()
