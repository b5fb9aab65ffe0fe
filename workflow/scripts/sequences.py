from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    import anndata

    from genebert.genome import Genome, extract_sequences

    regions = anndata.read_h5ad(snakemake.input.regions, backed="r").var
    extract_sequences(Genome(snakemake.input.genome[0]), regions, snakemake.params.build, snakemake.input.regions).save(
        Path(snakemake.output[0]).parent
    )
