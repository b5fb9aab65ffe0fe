rule genome:
    """Write the run's chromosomes as indexed FASTA with normalised names, and check the genome build."""
    input:
        RUN.config["genome"]["fasta"],
    output:
        RUN.genome,
    log:
        f"{LOGS}/genome/genome.log",
    benchmark:
        f"{BENCHMARKS}/genome/genome.tsv"
    conda:
        "../envs/sequences.yaml"
    threads: threads_of("genome")
    resources:
        **growing("genome"),
    params:
        build=RUN.config["genome"]["build"],
        chromosomes=RUN.config["chromosomes"],
    script:
        "../workflow/scripts/genome.py"


rule sequences:
    """Fetch the bases of all regions as codes, end to end."""
    input:
        regions=rules.accessibility.output.accessible,
        genome=RUN.genome,
    output:
        RUN.sequences,
    log:
        f"{LOGS}/sequences/sequences.log",
    benchmark:
        f"{BENCHMARKS}/sequences/sequences.tsv"
    conda:
        "../envs/sequences.yaml"
    threads: threads_of("sequences")
    resources:
        **growing("sequences"),
    params:
        build=RUN.config["genome"]["build"],
    script:
        "../workflow/scripts/sequences.py"
