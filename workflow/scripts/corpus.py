from pathlib import Path

from _job import logged

with logged(snakemake.log[0]) as log:
    from genebert.corpus.build import build_corpus

    settings = snakemake.params.corpus
    info = build_corpus(
        snakemake.input.accessible,
        Path(snakemake.output.groups).parent,
        settings["regions_per_sample"],
        settings["holdout_chromosomes"],
        settings["validation_fraction"],
    )
    log.info("%d groups for training, %d for validation", info["groups"], info["validation_groups"])
