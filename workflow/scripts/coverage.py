from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.report.card.coverage import CoverageInputs, write_coverage

    files, names = snakemake.input, snakemake.wildcards
    write_coverage(
        f"{names.task}/{names.dataset}",
        {Path(path).stem: path for path in files.splits},
        CoverageInputs(files.accessible, Path(files.corpus[0]).parent, snakemake.params.region_bp),
        snakemake.output[0],
    )
