from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.report.tables.render import render_table

    render_table(
        int(snakemake.wildcards.number),
        snakemake.input.paper,
        list(snakemake.input.scores),
        snakemake.params.rows,
        snakemake.params.run,
        snakemake.params.scale,
        {
            "transfer_csv" if Path(path).stem.endswith("_transfer") else Path(path).suffix[1:]: path
            for path in snakemake.output
        },
        snakemake.params.notes,
    )
