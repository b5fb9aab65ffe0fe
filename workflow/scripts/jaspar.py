from _job import logged

with logged(snakemake.log[0]) as log:
    from genebert.motifs.jaspar import load_jaspar, write_jaspar

    motifs = load_jaspar(snakemake.wildcards.release, snakemake.wildcards.order)
    write_jaspar(motifs, snakemake.output.jaspar, snakemake.output.families)
    log.info("%d matrices of %s", len(motifs), snakemake.wildcards.release)
