rule table:
    """Render a table from score files, the paper's values beside ours."""
    input:
        scores=RUN.table_scores,
        paper=str(BASE / "config/paper/table{number}.tsv"),
    output:
        shown(
            f"{RESULTS}/tables/table{{number}}",
            "Tables",
            {"table": "{number}"},
            "../workflow/report/table.rst",
            FORMATS,
        ),
    log:
        f"{LOGS}/table/table{{number}}.log",
    benchmark:
        f"{BENCHMARKS}/table/table{{number}}.tsv"
    wildcard_constraints:
        number=r"\d",
    conda:
        "../envs/tables.yaml"
    threads: threads_of("table")
    resources:
        mem_mb=growing("table", "mem_mb"),
        runtime=growing("table", "runtime"),
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
        report(
            f"{RESULTS}/tables/table{{number}}_transfer.csv",
            caption="../workflow/report/transfer.rst",
            category="Tables",
            labels={"table": "{number}, from cell to cell", "format": "csv"},
        ),
    log:
        f"{LOGS}/transfer/table{{number}}.log",
    benchmark:
        f"{BENCHMARKS}/transfer/table{{number}}.tsv"
    wildcard_constraints:
        number=r"\d",
    conda:
        "../envs/tables.yaml"
    threads: threads_of("transfer")
    resources:
        mem_mb=growing("transfer", "mem_mb"),
        runtime=growing("transfer", "runtime"),
    params:
        rows=RUN.table_rows,
        run=RUN.name,
        scale=RUN.config["scale"],
    script:
        "../workflow/scripts/transfer.py"
