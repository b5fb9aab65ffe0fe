from snakemake import __version__ as snakemake_version


rule report:
    """Write the page of the run for people, and its files listed for machines."""
    input:
        **page_inputs(RUN),
        papers=[local(str(BASE / f"config/paper/table{number}.tsv")) for number in range(1, 9)],
        # Read for what stands in them, which `facts` tells too: an edited comment makes no other page.
        default=ancient(local(str(BASE / "config/config.yaml"))),
        choices=ancient(local(str(BASE / "docs/choices.md"))),
        environments=[ancient(local(str(path))) for path in sorted((BASE / "envs").glob("*.yaml"))],
    output:
        page=shown(f"{RESULTS}/report", "Report", {"page": "report"}, "report", ["html"]),
        crate=f"{RESULTS}/ro-crate-metadata.json",
    log:
        f"{LOGS}/report/report.log",
    benchmark:
        f"{BENCHMARKS}/report/report.tsv"
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: threads_of("report")
    resources:
        **growing("report"),
    params:
        run=RUN.name,
        scale=RUN.config["scale"],
        notes=RUN.config["notes"],
        facts={**page_facts(RUN), "snakemake": snakemake_version},
    script:
        "../workflow/scripts/report.py"
