rule genome:
    """Write the run's chromosomes as indexed FASTA with normalised names, and check the genome build."""
    input:
        config["genome"]["fasta"],
    output:
        GENOME,
    log:
        f"{LOGS}/genome/genome.log",
    benchmark:
        f"{BENCHMARKS}/genome/genome.tsv"
    conda:
        "../envs/sequences.yaml"
    threads: 1
    resources:
        mem_mb=growing("genome", "mem_mb"),
        runtime=growing("genome", "runtime"),
    params:
        build=config["genome"]["build"],
        chromosomes=config["chromosomes"],
    script:
        "../workflow/scripts/genome.py"


rule sequences:
    """Fetch the bases of all regions as codes, end to end."""
    input:
        regions=rules.accessibility.output.accessible,
        genome=GENOME,
    output:
        SEQUENCES,
    log:
        f"{LOGS}/sequences/sequences.log",
    benchmark:
        f"{BENCHMARKS}/sequences/sequences.tsv"
    conda:
        "../envs/sequences.yaml"
    threads: 1
    resources:
        mem_mb=growing("sequences", "mem_mb"),
        runtime=growing("sequences", "runtime"),
    params:
        build=config["genome"]["build"],
    script:
        "../workflow/scripts/sequences.py"
