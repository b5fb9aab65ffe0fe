rule download:
    """Download one file of config/sources.tsv or config/tfbs.tsv and verify it."""
    input:
        ancient(local(str(BASE / "config/sources.tsv"))),
        ancient(local(str(BASE / "config/tfbs.tsv"))),
    output:
        "resources/{source}",
    log:
        "logs/download/{source}.log",
    benchmark:
        "results/benchmark/download/{source}.tsv"
    wildcard_constraints:
        source="|".join(re.escape(source.name) for source in RUN.registry.values() if source.access == "open"),
    # Tries again by itself while a server is busy; this is for a node that fails.
    retries: 1
    localrule: True
    conda:
        "../envs/retrieve.yaml"
    threads: threads_of("download")
    resources:
        **growing("download"),
    params:
        mirror=RUN.config["mirror"],
    script:
        "../workflow/scripts/download.py"


rule place:
    """Check a file that only a person can fetch, or say where it is had and what it must look like."""
    input:
        RUN.placed_file,
    output:
        "resources/placed/{source}.json",
    log:
        "logs/place/{source}.log",
    benchmark:
        "results/benchmark/place/{source}.tsv"
    wildcard_constraints:
        source="|".join(re.escape(source.name) for source in RUN.registry.values() if source.access != "open"),
    localrule: True
    conda:
        "../envs/place.yaml"
    threads: threads_of("place")
    resources:
        **growing("place"),
    params:
        registry=str(BASE / "config"),
        path="resources/{source}",
    script:
        "../workflow/scripts/place.py"
