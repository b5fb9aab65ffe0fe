rule accessibility:
    """Sum the matrix over the cells of each type and binarise it (paper section 4.1)."""
    input:
        matrix=matrix_file("matrix"),
        peaks=matrix_file("peaks"),
        cells=matrix_file("cells"),
        beds=list(config["accessibility"]["beds"].values()) if "beds" in MATRIX_KEYS else [],
        blacklist=existing(config["accessibility"]["blacklist"]),
        genome=GENOME,
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
    threads: 1
    resources:
        mem_mb=growing("accessibility", "mem_mb"),
        runtime=growing("accessibility", "runtime"),
    params:
        accessibility=config["accessibility"],
        build=config["genome"]["build"],
        chromosomes=config["chromosomes"],
    script:
        "../workflow/scripts/accessibility.py"
