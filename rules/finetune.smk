rule finetune:
    """Fine-tune a pre-trained model on a task and score it on the test split."""
    input:
        model=trained_model,
        splits=labelled_splits,
    output:
        score=f"{RESULTS}/scores/{{task}}/{{dataset}}/{{model}}/seed{{seed}}.json",
        predictions=f"{RESULTS}/scores/{{task}}/{{dataset}}/{{model}}/seed{{seed}}.parquet",
    log:
        f"{LOGS}/finetune/{{task}}/{{dataset}}/{{model}}/seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/finetune/{{task}}/{{dataset}}/{{model}}/seed{{seed}}.tsv"
    conda:
        "../envs/finetune.yaml"
    threads: settings_of("finetune")["threads"]
    resources:
        mem_mb=growing("finetune", "mem_mb"),
        runtime=growing("finetune", "runtime"),
        gpu=settings_of("finetune")["gpu"],
    params:
        settings=finetune_settings,
    script:
        "../workflow/scripts/finetune.py"
