from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.report.card.coverage import CoverageInputs
    from genebert.report.card.sites_read import write_sites_read

    files, names = snakemake.input, snakemake.wildcards
    write_sites_read(
        f"{names.task}/{names.dataset}",
        files.test,
        CoverageInputs(files.accessible, Path(files.corpus[0]).parent, snakemake.params.region_bp),
        snakemake.output[0],
    )
