from _job import logged

with logged(snakemake.log[0]):
    from genebert.report.tables.render import Read, render_table
    from genebert.report.text import ReportSettings

    params = snakemake.params
    render_table(
        snakemake.wildcards.table,
        snakemake.input.paper,
        snakemake.input.scores,
        params.rows,
        ReportSettings(params.run, params.scale, tuple(params.notes)),
        snakemake.output,
        Read(snakemake.input.coverage, snakemake.input.sites_read),
    )
