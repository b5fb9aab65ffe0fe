from _job import logged

with logged(snakemake.log[0]):
    from genebert.report.tables.transfer import render_transfer
    from genebert.report.tables.values import TableSettings

    params = snakemake.params
    render_transfer(snakemake.input.scores, params.rows, TableSettings(params.run, params.scale), snakemake.output[0])
