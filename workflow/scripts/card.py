from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.report.card.compute import CardInputs, CardSettings, compute_card
    from genebert.report.card.page import write_card

    files, params = snakemake.input, snakemake.params
    card = compute_card(
        CardSettings(params.run, params.scale, tuple(params.notes), params.region_bp, params.motif_region_bp),
        CardInputs(
            *(Path(path).parent for path in (files.accessible, files.sequences[0], files.motifs[0], files.groups)),
            files.genome,
            dict(zip(params.raw_names, files.raw, strict=True)),
            {
                name: {Path(p).stem: p for p in files.tasks if Path(p).parts[-3:-1] == tuple(name.split("/"))}
                for name in params.data_sets
            },
        ),
    )
    write_card(card, Path(snakemake.output.card).parent)
