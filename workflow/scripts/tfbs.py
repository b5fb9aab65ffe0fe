from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.tasks.tfbs import TfbsSettings, build_tfbs_task

    config = snakemake.params.settings
    build_tfbs_task(
        TfbsSettings(
            config["length"],
            config["negatives"],
            config["split"],
            tuple(config["test_chromosomes"]),
            tuple(config["valid_chromosomes"]),
            config["valid_fraction"],
            snakemake.params.seed,
        ),
        Path(snakemake.input.peaks),
        Path(snakemake.input.genome[0]),
        {key: config[key] for key in ("factor", "cell", "tissue")},
        list(snakemake.params.chromosomes),
        Path(snakemake.output[0]).parent,
    )
