from _job import logged

with logged(snakemake.log[0]):
    from genebert.methods.registry import METHODS
    from genebert.methods.run import FitJob, run_method

    job = FitJob(**snakemake.params.job)
    if METHODS[job.method].torch:
        import torch

        torch.set_num_threads(snakemake.threads)
    run_method(job)
