from pathlib import Path

from _job import loading, logged

with logged(snakemake.log[0]):
    from genebert.methods.registry import METHODS
    from genebert.methods.run import FitJob, run_method

    scores, kept = Path(snakemake.output[0]), snakemake.output.get("classifiers")
    job = FitJob(
        **snakemake.params.job,
        output=scores.parent if scores.suffix else scores,
        checkpoints=snakemake.params.checkpoints,
        classifiers=kept,
    )
    if METHODS[job.method].torch:
        with loading():
            import torch

        torch.set_num_threads(snakemake.threads)
    run_method(job)
