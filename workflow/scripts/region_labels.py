from _job import logged

with logged(snakemake.log[0]):
    from genebert.corpus.region_blocks import BlockSettings, label_regions

    settings = BlockSettings(**snakemake.params.settings)
    label_regions(snakemake.input.pseudobulk, snakemake.input.accessible, settings, snakemake.output[0])
