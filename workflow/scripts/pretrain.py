from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.settings.models import reads
    from genebert.training.job import PretrainJob, launch

    params, resources = snakemake.params, snakemake.resources
    launch(
        PretrainJob(
            model=params.model,
            data={part: str(Path(snakemake.input[part][0]).parent) for part in reads(params.model)},
            weights=list(map(str, snakemake.input.weights)),
            region_bp=params.region_bp,
            regions_per_sample=params.regions_per_sample,
            seed=params.seed,
            checkpoints=params.checkpoints,
            output=str(Path(snakemake.output[0]).parent),
            threads=max(1, snakemake.threads // resources.processes),
            log=snakemake.log[0],
        ),
        resources.processes,
        resources.get("nodes", 1),
    )
