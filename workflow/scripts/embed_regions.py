from pathlib import Path

from _job import loading, logged

with logged(snakemake.log[0]):
    with loading():
        import torch

        from genebert.models.region_states import write_region_states

    torch.set_num_threads(snakemake.threads)
    files = snakemake.input
    model, sequences = (Path(files[name][0]).parent for name in ("model", "sequences"))
    matrix = files.get("motifs")
    motifs = Path(matrix[0]).parent if matrix else None
    write_region_states(model, files.regions, sequences, motifs, snakemake.params.region_bp, snakemake.output[0])
