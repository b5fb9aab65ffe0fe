from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.tasks.promoter import PromoterSettings, build_promoter_task

    config = snakemake.params.settings
    build_promoter_task(
        PromoterSettings(
            config["source"],
            config["test_fraction"],
            config["valid_fraction"],
            snakemake.params.seed,
            config["split"],
            tuple(config["test_chromosomes"]),
            tuple(config["valid_chromosomes"]),
        ),
        Path(snakemake.input.annotation),
        Path(snakemake.input.genome[0]) if snakemake.input.genome else None,
        Path(snakemake.input.motifs[0]) if snakemake.input.motifs else None,
        list(snakemake.params.chromosomes),
        Path(snakemake.output[0]).parent,
    )
