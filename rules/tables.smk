rule table:
    """Render a table from score files, the paper's values beside ours."""
    input:
        unpack(lambda wildcards: table_read(RUN, wildcards)),
        scores=RUN.table_scores,
        paper=paper_of,
    output:
        shown(f"{RESULTS}/tables/{{table}}", "Tables", {"table": "{table}"}, "table", FORMATS),
    log:
        f"{LOGS}/table/{{table}}.log",
    benchmark:
        f"{BENCHMARKS}/table/{{table}}.tsv"
    localrule: True
    conda:
        "../envs/tables.yaml"
    threads: threads_of("table")
    resources:
        **growing("table"),
    params:
        rows=RUN.table_rows,
        run=RUN.name,
        scale=RUN.config["scale"],
        notes=RUN.config["notes"],
    script:
        "../workflow/scripts/table.py"


rule transfer:
    """Write what methods fitted on one data set reach on the others."""
    input:
        scores=RUN.table_scores,
    output:
        shown(
            f"{RESULTS}/tables/{{table}}_transfer",
            "Tables",
            {"table": "{table}, from set to set"},
            "transfer",
            ["csv"],
        ),
    log:
        f"{LOGS}/transfer/{{table}}.log",
    benchmark:
        f"{BENCHMARKS}/transfer/{{table}}.tsv"
    localrule: True
    conda:
        "../envs/tables.yaml"
    threads: threads_of("transfer")
    resources:
        **growing("transfer"),
    params:
        rows=RUN.table_rows,
        run=RUN.name,
        scale=RUN.config["scale"],
    script:
        "../workflow/scripts/transfer.py"
