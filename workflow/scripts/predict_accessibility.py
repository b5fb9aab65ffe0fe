from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.report.cell_accessibility.features import FeatureFiles
    from genebert.report.cell_accessibility.write import write_cell_accessibility
    from genebert.report.text import ReportSettings
    from genebert.settings.cell_accessibility import CellAccessibilitySettings

    files, params = snakemake.input, snakemake.params
    sequences, motifs = (Path(files[name][0]).parent for name in ("sequences", "motifs"))
    write_cell_accessibility(
        files.regions,
        FeatureFiles(sequences, motifs, dict(zip(params.job["models"], files.states, strict=True))),
        CellAccessibilitySettings(**params.job["settings"]),
        params.job["given"],
        ReportSettings(params.run, params.scale, tuple(params.notes)),
        snakemake.output,
    )
