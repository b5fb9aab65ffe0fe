from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.accessibility.build import AccessibilitySettings, build_accessibility
    from genebert.accessibility.matrices import MatrixInputs

    config = snakemake.params.accessibility
    build_accessibility(
        AccessibilitySettings(
            **{
                key: config[key]
                for key in ("group_by", "min_cells", "blacklist", "max_n_fraction", "binarise", "min_fraction")
            }
        ),
        MatrixInputs(**{key: config[key] for key in ("format", "matrix", "assay", "peaks", "cells", "beds")}),
        snakemake.input.genome[0],
        snakemake.params.build,
        list(snakemake.params.chromosomes),
        Path(snakemake.output.summary).parent,
    )
