from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.report.learning_curve import write_learning_curve

    params, output = snakemake.params, Path(snakemake.output[0])
    write_learning_curve(
        [path for folder in snakemake.input.scores for path in sorted(Path(folder).glob("*.json"))],
        output.parent,
        output.stem,
        f"{snakemake.wildcards.task}, {snakemake.wildcards.dataset}: labelled examples",
        f"run {params.run} ({params.scale})",
        params.rows,
    )
