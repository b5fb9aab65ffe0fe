rule accessibility:
    """Sum the matrix over the cells of each type and binarise it (paper section 4.1)."""
    input:
        **RUN.matrix_files(),
        genome=RUN.genome,
    output:
        pseudobulk=f"{RESULTS}/accessibility/pseudobulk.h5ad",
        accessible=f"{RESULTS}/accessibility/accessible.h5ad",
        summary=f"{RESULTS}/accessibility/summary.json",
    log:
        f"{LOGS}/accessibility/accessibility.log",
    benchmark:
        f"{BENCHMARKS}/accessibility/accessibility.tsv"
    conda:
        "../envs/accessibility.yaml"
    threads: threads_of("accessibility")
    resources:
        **growing("accessibility"),
    params:
        settings=RUN.config["accessibility"],
        build=RUN.config["genome"]["build"],
        chromosomes=RUN.config["chromosomes"],
    script:
        "../workflow/scripts/accessibility.py"
