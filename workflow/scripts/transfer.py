from _job import logged

with logged(snakemake.log[0]):
    from genebert.report.tables.render import render_transfer
    from genebert.report.text import ReportSettings

    params = snakemake.params
    render_transfer(snakemake.input.scores, params.rows, ReportSettings(params.run, params.scale), snakemake.output[0])
