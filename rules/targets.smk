"""What people ask for by name: `snakemake all`, `table5`, `figure2`."""


rule retrieve:
    """All files of the sets that the config key `retrieve` lists."""
    input:
        RUN.retrieved(),
    localrule: True


rule corpus:
    """The data half: all that pre-training reads."""
    input:
        RUN.groups,
        RUN.sequences,
        RUN.motifs,
    localrule: True


rule learning_curves:
    """Test AUC against the number of labelled examples."""
    input:
        learning_curve_files(RUN),
    localrule: True


rule ablations:
    """Tables 5, 7 and 8: losses, region encoders, batch size and weight of the matching loss."""
    input:
        lambda wildcards: RUN.files_of(RUN.ablations(), "ablations"),
    localrule: True


rule extended:
    """Tables of ours beside the paper's: its settings one by one, batch sizes for equal samples, cell types."""
    input:
        lambda wildcards: extended_files(RUN),
    localrule: True


rule cell_accessibility:
    """Accessibility in each cell type: what of it motifs, k-mers and models tell."""
    input:
        lambda wildcards: asked_files(RUN),
    localrule: True


for table in RUN.rows:

    rule:
        name:
            table
        input:
            RUN.table_files(table),
        localrule: True
