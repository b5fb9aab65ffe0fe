from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.report.curves import write_curves

    run, scale, model = snakemake.params.run, snakemake.params.scale, snakemake.wildcards.model
    write_curves(
        Path(snakemake.input[0]).parent, Path(snakemake.output[0]).parent, model, f"{model}: run {run} ({scale})"
    )
