"""Score files of splice sites for the tests of tables."""

from pathlib import Path

import numpy as np
from splice_blocks import gene_sets, make

from genebert.evaluation.kinds.base import Scored
from genebert.evaluation.scores import Outcome, read_score
from genebert.evaluation.scores import write_score as write_outcome

SET = "splicing/canonical"
PUBLISHED = {"kind": "published", "name": "spliceai-published", "held_out": ["chr1", "chr3"]}
GENES = {"in_table": 18_677, "train": 420, "valid": 47, "test": 49, "test_chromosomes": ["chr20"]}


def site(pr_auc: float, n: int) -> dict:
    """Return the metrics of one class of sites."""
    return {"n": n, "top_half_k": pr_auc + 0.1, "top_k": pr_auc - 0.04, "top_2k": pr_auc + 0.02,
            "top_4k": pr_auc + 0.04, "auprc": pr_auc}  # fmt: skip


def splice_score(model: str, seed: int, pr_auc: float, dataset: str = SET, **changes) -> dict:
    """Return a score file as methods on classes of bases write it."""
    task, dataset = dataset.split("/")
    means = {name: value for name, value in site(pr_auc, 0).items() if name != "n"}
    metrics = {
        "n": 250, "n_genes": 49, "n_positions": 1_205_644, "n_sites": 666, **means,
        "auprc_interval": [pr_auc - 0.02, pr_auc + 0.02], "acceptor": site(pr_auc - 0.01, 333),
        "donor": site(pr_auc + 0.01, 333), "blocks_with_sites": {"n": 99, "auprc": pr_auc + 0.05},
    }  # fmt: skip
    value = {
        "task": task, "dataset": dataset, "model": model, "seed": seed, "deterministic": model == "splice-pwm",
        "metrics": metrics | changes.pop("metrics", {}), "negatives": 0.0255, "settings": {"context": 80},
        "data_set": {"genes": GENES}, "data_sha256": {"test": f"hash of {dataset}"}, "seconds": 10.0 + seed,
    }  # fmt: skip
    return value | changes


def fitted_score(folder: Path, name: str, genes: int, **options) -> dict:
    """Fit a method on planted sites of some genes and return the score file that its run writes."""
    sets = gene_sets(genes)
    model = make(name, **options).fit(sets["train"], sets["valid"], 0)
    valid, test = (Scored(sets[split], np.asarray(model.score(sets[split]))) for split in ("valid", "test"))
    names = {"task": "splicing", "dataset": "canonical", "model": name}
    outcome = Outcome(names, 0, model.kind, valid, test, False, model.record, 2.0)
    write_outcome(folder / f"{name}.json", outcome)
    return read_score(folder / f"{name}.json")
