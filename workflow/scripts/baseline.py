from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.methods.run import run_baseline

    wildcards, params = snakemake.wildcards, snakemake.params
    if wildcards.baseline == "cnn":
        import torch

        torch.set_num_threads(snakemake.threads)
    run_baseline(
        wildcards.baseline,
        Path(snakemake.input.splits[0]).parent,
        int(wildcards.seed),
        snakemake.output.score,
        snakemake.output.predictions,
        {"task": wildcards.task, "dataset": wildcards.dataset, "model": wildcards.baseline},
        params.transfer,
        snakemake.input.jaspar or None,
        params.n_train,
        params.release,
    )
