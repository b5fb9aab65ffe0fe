from _job import logged

with logged(snakemake.log[0]):
    from genebert.evaluation.scores import write_unavailable

    wildcards, params = snakemake.wildcards, snakemake.params
    names = {"task": wildcards.task, "dataset": wildcards.dataset, "model": wildcards.method}
    write_unavailable(snakemake.output[0], names, params.seed, params.reason)
