from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.report.cell_accessibility.features import FeatureFiles, StatesFile
    from genebert.report.cell_accessibility.write import write_cell_accessibility
    from genebert.report.text import ReportSettings
    from genebert.settings.cell_accessibility import CellAccessibilitySettings

    files, params = snakemake.input, snakemake.params
    sequences, motifs = (Path(files[name][0]).parent for name in ("sequences", "motifs"))
    states = [
        StatesFile(name, seed, path) for (name, seed), path in zip(params.job["models"], files.states, strict=True)
    ]
    write_cell_accessibility(
        files.regions,
        FeatureFiles(sequences, motifs, states),
        CellAccessibilitySettings(**params.job["settings"]),
        params.job["given"],
        ReportSettings(params.run, params.scale, tuple(params.notes)),
        snakemake.output,
    )
