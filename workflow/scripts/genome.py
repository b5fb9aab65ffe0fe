from _job import logged

with logged(snakemake.log[0]):
    from genebert.genome.fasta import prepare_genome

    prepare_genome(snakemake.input[0], snakemake.output[0], snakemake.params.build, list(snakemake.params.chromosomes))
