rule promoter:
    """Make the labelled splits of a promoter data set."""
    input:
        unpack(promoter_inputs),
    output:
        expand(
            "{results}/tasks/promoter/{{dataset}}/{file}",
            results=RESULTS,
            file=["train.parquet", "valid.parquet", "test.parquet", "card.json"],
        ),
    log:
        f"{LOGS}/promoter/{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/promoter/{{dataset}}.tsv"
    conda:
        "../envs/tasks.yaml"
    threads: 1
    resources:
        mem_mb=growing("promoter", "mem_mb"),
        runtime=growing("promoter", "runtime"),
    params:
        settings=promoter_settings,
        seed=config["seed"],
        chromosomes=config["chromosomes"],
    script:
        "../workflow/scripts/promoter.py"
