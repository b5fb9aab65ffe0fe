from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.training.job import PretrainJob, launch

    files, params, resources = snakemake.input, snakemake.params, snakemake.resources
    launch(
        PretrainJob(
            params.model,
            str(Path(files.sequences[0]).parent),
            str(Path(files.motifs[0]).parent),
            str(Path(files.groups).parent),
            list(map(str, files.weights)),
            params.region_bp,
            params.seed,
            params.checkpoints,
            str(Path(snakemake.output[0]).parent),
            max(1, snakemake.threads // resources.processes),
            snakemake.log[0],
        ),
        resources.processes,
        resources.get("nodes", 1),
    )
