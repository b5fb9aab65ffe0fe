rule table:
    """Render a table from score files, the paper's values beside ours."""
    input:
        scores=RUN.table_scores,
        paper=local(str(BASE / "config/paper/table{number}.tsv")),
        coverage=RUN.table_coverage,
    output:
        shown(f"{RESULTS}/tables/table{{number}}", "Tables", {"table": "{number}"}, "table", FORMATS),
    log:
        f"{LOGS}/table/table{{number}}.log",
    benchmark:
        f"{BENCHMARKS}/table/table{{number}}.tsv"
    localrule: True
    conda:
        "../envs/tables.yaml"
    threads: threads_of("table")
    resources:
        **growing("table"),
    params:
        rows=lambda wildcards: RUN.rows[f"table{wildcards.number}"],
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
            f"{RESULTS}/tables/table{{number}}_transfer",
            "Tables",
            {"table": "{number}, from cell to cell"},
            "transfer",
            ["csv"],
        ),
    log:
        f"{LOGS}/transfer/table{{number}}.log",
    benchmark:
        f"{BENCHMARKS}/transfer/table{{number}}.tsv"
    localrule: True
    conda:
        "../envs/tables.yaml"
    threads: threads_of("transfer")
    resources:
        **growing("transfer"),
    params:
        rows=lambda wildcards: RUN.rows[f"table{wildcards.number}"],
        run=RUN.name,
        scale=RUN.config["scale"],
    script:
        "../workflow/scripts/transfer.py"
