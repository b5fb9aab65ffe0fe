rule place:
    """Check a file that only a person can fetch, or say where it is had and what it must look like."""
    input:
        placed_file,
    output:
        "resources/placed/{source}.json",
    log:
        "logs/place/{source}.log",
    benchmark:
        "results/benchmark/place/{source}.tsv"
    wildcard_constraints:
        source="|".join(re.escape(source.name) for source in REGISTRY.values() if source.access != "open"),
    conda:
        "../envs/place.yaml"
    threads: 1
    resources:
        mem_mb=growing("place", "mem_mb"),
        runtime=growing("place", "runtime"),
    params:
        registry=str(BASE / "config"),
        path="resources/{source}",
    script:
        "../workflow/scripts/place.py"
