from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.baselines import run_baseline

    wildcards = snakemake.wildcards
    run_baseline(
        wildcards.baseline,
        Path(snakemake.input.splits[0]).parent,
        int(wildcards.seed),
        snakemake.output.score,
        snakemake.output.predictions,
        {"task": wildcards.task, "dataset": wildcards.dataset, "model": wildcards.baseline},
    )
