rule retrieve:
    """Download one file of config/sources.tsv and verify it."""
    input:
        ancient(str(BASE / "config/sources.tsv")),
    output:
        "resources/{source}",
    log:
        "logs/retrieve/{source}.log",
    benchmark:
        "results/benchmark/retrieve/{source}.tsv"
    wildcard_constraints:
        source="|".join(map(re.escape, REGISTRY)),
    retries: 2
    conda:
        "../envs/retrieve.yaml"
    threads: 1
    resources:
        mem_mb=growing("retrieve", "mem_mb"),
        runtime=growing("retrieve", "runtime"),
    params:
        mirror=config["mirror"],
    script:
        "../workflow/scripts/retrieve.py"
