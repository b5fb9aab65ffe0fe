rule table:
    """Render a table from score files, the paper's values beside ours."""
    input:
        scores=table_scores,
        paper=str(BASE / "config/paper/table{number}.tsv"),
    output:
        [
            report(
                f"{RESULTS}/tables/table{{number}}.{suffix}",
                caption="../workflow/report/table.rst",
                category="Tables",
                labels={"table": "{number}", "format": suffix},
            )
            for suffix in TABLE_FORMATS
        ],
    log:
        f"{LOGS}/table/table{{number}}.log",
    benchmark:
        f"{BENCHMARKS}/table/table{{number}}.tsv"
    wildcard_constraints:
        number="[1-57-8]",
    conda:
        "../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=growing("table", "mem_mb"),
        runtime=growing("table", "runtime"),
    params:
        rows=table_rows,
        run=RUN,
        scale=config["scale"],
        notes=config["notes"],
    script:
        "../workflow/scripts/table.py"


use rule table as table_by_cell with:
    output:
        [
            report(
                f"{RESULTS}/tables/table{{number}}.{suffix}",
                caption="../workflow/report/table.rst",
                category="Tables",
                labels={"table": "{number}", "format": suffix},
            )
            for suffix in TABLE_FORMATS
        ],
        report(
            f"{RESULTS}/tables/table{{number}}_transfer.csv",
            caption="../workflow/report/transfer.rst",
            category="Tables",
            labels={"table": "{number}, from cell to cell", "format": "csv"},
        ),
    wildcard_constraints:
        number="6",
