rule groups:
    """Group ten consecutive accessible regions of each cell type into the samples of pre-training."""
    input:
        accessible=rules.accessibility.output.accessible,
    output:
        RUN.groups,
    log:
        f"{LOGS}/groups/groups.log",
    benchmark:
        f"{BENCHMARKS}/groups/groups.tsv"
    conda:
        "../envs/corpus.yaml"
    threads: threads_of("groups")
    resources:
        **growing("groups"),
    params:
        settings=RUN.config["corpus"],
        places=RUN.places,
    script:
        "../workflow/scripts/groups.py"
