from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.report.card.compute import CardInputs, compute_card
    from genebert.report.card.page import write_card
    from genebert.report.text import ReportSettings

    files, params = snakemake.input, snakemake.params
    inputs = CardInputs(
        *(Path(path).parent for path in (files.accessible, files.sequences[0], files.motifs[0], files.corpus[0])),
        files.genome,
        dict(zip(params.raw_names, files.raw, strict=True)),
        {
            name: {Path(path).stem: path for path in files.tasks if Path(path).parts[-3:-1] == tuple(name.split("/"))}
            for name in params.data_sets
        },
        params.region_bp,
        params.motif_region_bp,
    )
    card = compute_card(ReportSettings(params.run, params.scale, tuple(params.notes)), inputs)
    write_card(card, Path(snakemake.output.card).parent)
