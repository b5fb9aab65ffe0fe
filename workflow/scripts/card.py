from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.report.card.compute import CardSettings, compute_card
    from genebert.report.card.write import write_card

    files, params = snakemake.input, snakemake.params
    card = compute_card(
        CardSettings(params.run, params.scale, tuple(params.notes), params.region_bp, params.motif_region_bp),
        Path(files.accessible).parent,
        Path(files.sequences[0]).parent,
        Path(files.motifs[0]).parent,
        Path(files.groups).parent,
        files.genome,
        dict(zip(params.raw_names, files.raw, strict=True)),
        {
            name: {Path(path).stem: path for path in files.tasks if Path(path).parts[-3:-1] == tuple(name.split("/"))}
            for name in params.data_sets
        },
    )
    write_card(card, Path(snakemake.output.card).parent)
