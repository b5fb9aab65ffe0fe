from pathlib import Path

from _job import loading, logged

with logged(snakemake.log[0]):
    with loading():
        import torch

        from genebert.models.embedding import EmbedJob, write_embeddings

    torch.set_num_threads(snakemake.threads)
    folders = (Path(snakemake.input[name][0]).parent for name in ("model", "sequences", "corpus"))
    write_embeddings(EmbedJob(**snakemake.params.job), *folders, snakemake.output[0])
