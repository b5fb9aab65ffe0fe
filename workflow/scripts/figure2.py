from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.report.figure2.write import Figure2Inputs, write_figure2
    from genebert.report.text import ReportSettings
    from genebert.settings.figure2 import Figure2Settings

    files, params = snakemake.input, snakemake.params
    inputs = Figure2Inputs(
        {"uni_modal": files.uni_modal, "multi_modal": files.multi_modal},
        Path(files.sequences[0]).parent,
        params.region_bp,
    )
    write_figure2(
        inputs,
        Figure2Settings(**params.settings),
        params.seed,
        ReportSettings(params.run, params.scale),
        Path(snakemake.output[0]).parent,
    )
