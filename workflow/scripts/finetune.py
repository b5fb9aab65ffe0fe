from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    import torch

    from genebert.methods.finetune import run_finetune
    from genebert.settings.fitting import FinetuneSettings

    torch.set_num_threads(snakemake.threads)
    wildcards, params = snakemake.wildcards, snakemake.params
    run_finetune(
        Path(snakemake.input.model[0]).parent,
        Path(snakemake.input.splits[0]).parent,
        FinetuneSettings(**params.settings),
        int(wildcards.seed),
        snakemake.output.score,
        snakemake.output.predictions,
        {"task": wildcards.task, "dataset": wildcards.dataset, "model": wildcards.model},
        transfer=params.transfer,
        n_train=params.n_train,
    )
