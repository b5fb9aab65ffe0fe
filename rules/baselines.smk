rule baseline:
    """Fit a simple model on a task and score it on the test split."""
    input:
        splits=labelled_splits,
    output:
        score=f"{RESULTS}/scores/{{task}}/{{dataset}}/{{baseline}}/seed{{seed}}.json",
        predictions=f"{RESULTS}/scores/{{task}}/{{dataset}}/{{baseline}}/seed{{seed}}.parquet",
    log:
        f"{LOGS}/baseline/{{task}}/{{dataset}}/{{baseline}}/seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/baseline/{{task}}/{{dataset}}/{{baseline}}/seed{{seed}}.tsv"
    conda:
        "../envs/baselines.yaml"
    threads: settings_of("baseline")["threads"]
    resources:
        mem_mb=growing("baseline", "mem_mb"),
        runtime=growing("baseline", "runtime"),
    script:
        "../workflow/scripts/baseline.py"
