from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.report.page.build import PageFiles, PageRun, write_page
    from genebert.report.text import ReportSettings

    files, params = snakemake.input, snakemake.params
    checkout = Path(files.default).parents[1]
    write_page(
        Path(snakemake.output.crate).parent,
        PageFiles(
            files.scores,
            files.tables,
            files.card[0],
            [path for path in files.training if path.endswith(".svg")],
            [path for path in files.learning if path.endswith(".svg")],
            files.figure2,
            [path for path in files.models if path.endswith("model.json")],
            files.papers,
            files.default,
            files.choices,
            files.environments,
            files.ablations,
            files.cell_types,
        ),
        PageRun(ReportSettings(params.run, params.scale, tuple(params.notes)), checkout=checkout, **params.facts),
    )
