from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.accessibility.build import build_accessibility
    from genebert.settings.data import AccessibilitySettings

    params = snakemake.params
    build_accessibility(
        AccessibilitySettings(**params.settings),
        snakemake.input.genome[0],
        params.build,
        list(params.chromosomes),
        Path(snakemake.output.summary).parent,
    )
