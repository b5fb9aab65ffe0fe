rule download:
    """Download one file of config/sources.tsv or config/tfbs.tsv and verify it."""
    input:
        ancient(str(BASE / "config/sources.tsv")),
        ancient(str(BASE / "config/tfbs.tsv")),
    output:
        "resources/{source}",
    log:
        "logs/download/{source}.log",
    benchmark:
        "results/benchmark/download/{source}.tsv"
    wildcard_constraints:
        source="|".join(re.escape(source.name) for source in REGISTRY.values() if source.access == "open"),
    # Tries again by itself while a server is busy; this is for a node that fails.
    retries: 1
    conda:
        "../envs/retrieve.yaml"
    threads: 1
    resources:
        mem_mb=growing("download", "mem_mb"),
        runtime=growing("download", "runtime"),
    params:
        mirror=config["mirror"],
    script:
        "../workflow/scripts/download.py"
