"""What the rules ask a cluster for."""

from dataclasses import dataclass
from typing import Annotated

from genebert.settings.fields import Block, key
from genebert.settings.rules import Count, Rule, Whole


@dataclass(frozen=True)
class RuleResources(Block):
    """What one rule asks for. SLURM reads all, a laptop only the threads."""

    block = "resources"

    threads: Count = key(1, "threads")
    mem_mb: Count = key(16000, "memory in MB; grows with the attempt")
    runtime: Count = key(120, "minutes; grows with the attempt")
    gpu: Whole = key(0, "GPUs")
    processes: Count = key(1, "pretrain: processes on each node, one a GPU; torchrun starts more than one")
    nodes: Count = key(1, "pretrain: nodes, which share out each batch")


Part = Annotated[RuleResources, Rule(partial=True)]


@dataclass(frozen=True)
class Resources(Block):
    """Resources of each rule, over the default; one key a rule."""

    block = "resources"

    default: RuleResources = key(RuleResources(), "of every rule")
    download: Part = key({"mem_mb": 2000, "runtime": 720}, "5 GB at 0.2 MB/s take 7 hours")
    place: Part = key({}, "check of a file placed by hand")
    simulate: Part = key({}, "the toy atlas")
    cohort: Part = key({}, "the simulated cohort")
    genome: Part = key({}, "the run's chromosomes as FASTA")
    accessibility: Part = key({"mem_mb": 64000}, "the matrix, summed")
    sequences: Part = key({}, "bases of all regions")
    jaspar: Part = key({}, "motif matrices as text")
    motifs: Part = key({"threads": 8, "runtime": 240}, "scores of all regions")
    groups: Part = key({}, "samples of pre-training")
    card: Part = key({}, "the data card")
    coverage: Part = key({}, "splice sites within pre-training regions")
    pretrain: Part = key({"threads": 8, "mem_mb": 64000, "runtime": 2880, "gpu": 1}, "one model")
    curves: Part = key({}, "training curves")
    task: Part = key({}, "one downstream data set")
    fit: Part = key(
        {"threads": 4, "runtime": 480, "gpu": 1}, "one method on one data set, all seeds; gpu where it is a network"
    )
    fit_part: Part = key({"threads": 4, "runtime": 480, "gpu": 1}, "the same for a learning curve, all sizes and seeds")
    unavailable: Part = key({}, "a row that cannot be had")
    table: Part = key({}, "one table")
    transfer: Part = key({}, "training on one data set, testing on another")
    learning_curve: Part = key({}, "one learning curve")

    def of(self, rule: str) -> dict[str, int]:
        """Return what a rule asks for: the default, overlaid by its own."""
        own = getattr(self, rule)
        return {name: own.get(name, getattr(self.default, name)) for name in vars(self.default)}
