"""What the rules ask a cluster for."""

from dataclasses import dataclass
from typing import Annotated

from genebert.settings.fields import Block, key
from genebert.settings.rules import Count, NotNegative, Rule, Whole


@dataclass(frozen=True)
class RuleResources(Block):
    """What one rule asks for. A cluster reads all, a laptop only the threads."""

    block = "resources"

    threads: Count = key(1, "threads")
    mem_mb: Count = key(4000, "memory in MB, without the next key's; the sum grows with the attempt")
    mem_per_input: NotNegative = key(0.0, "MB of memory for each MB of the job's input files")
    runtime: Count = key(60, "minutes; grows with the attempt, but not of pretrain, which resumes")
    gpu: Whole = key(0, "GPUs; pretrain: on each node")
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
    accessibility: Part = key({"mem_mb": 8000, "mem_per_input": 4.0, "runtime": 120}, "the matrix, summed")
    sequences: Part = key({"mem_per_input": 0.5}, "bases of all regions")
    jaspar: Part = key({}, "motif matrices as text")
    motifs: Part = key({"threads": 8, "mem_per_input": 8.0, "runtime": 240}, "scores of all regions")
    motifs_form: Part = key(
        {"threads": 8, "mem_per_input": 8.0, "runtime": 240}, "the same in another form, for models that read one"
    )
    groups: Part = key({"mem_per_input": 4.0}, "samples of pre-training")
    card: Part = key({"mem_mb": 8000, "mem_per_input": 1.0, "runtime": 120}, "the data card")
    coverage: Part = key({"mem_per_input": 4.0}, "splice sites within pre-training regions")
    sites_read: Part = key({"mem_per_input": 4.0}, "test sites within pre-training regions")
    pretrain: Part = key({"threads": 8, "mem_mb": 16000, "mem_per_input": 8.0, "runtime": 2880, "gpu": 1}, "one model")
    curves: Part = key({}, "training curves")
    embed: Part = key(
        {"threads": 4, "mem_mb": 8000, "mem_per_input": 4.0, "runtime": 120, "gpu": 1}, "samples of Figure 2, one model"
    )
    region_labels: Part = key({"mem_per_input": 8.0}, "regions drawn for the table of accessibility")
    embed_regions: Part = key(
        {"threads": 4, "mem_mb": 8000, "mem_per_input": 4.0, "runtime": 120, "gpu": 1}, "these regions, one model"
    )
    task: Part = key({"mem_mb": 2000, "mem_per_input": 1.0}, "one downstream data set")
    fit: Part = key(
        {"threads": 4, "mem_mb": 8000, "mem_per_input": 4.0, "runtime": 240, "gpu": 1},
        "one method on one data set, all seeds; gpu where it is a network",
    )
    fit_part: Part = key(
        {"threads": 4, "mem_mb": 8000, "mem_per_input": 4.0, "runtime": 240, "gpu": 1},
        "the same for a learning curve, all sizes and seeds",
    )
    unavailable: Part = key({}, "a row that cannot be had")
    table: Part = key({}, "one table")
    transfer: Part = key({}, "training on one data set, testing on another")
    learning_curve: Part = key({}, "one learning curve")
    figure2: Part = key({"mem_mb": 8000}, "Figure 2 and its numbers")
    predict_accessibility: Part = key(
        {"threads": 4, "mem_mb": 8000, "mem_per_input": 4.0, "runtime": 240}, "the table of accessibility"
    )
    report: Part = key({}, "the page of the run")

    def of(self, rule: str) -> dict[str, int | float]:
        """Return what a rule asks for: the default, overlaid by its own."""
        own = getattr(self, rule)
        return {name: own.get(name, getattr(self.default, name)) for name in vars(self.default)}
