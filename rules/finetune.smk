rule finetune:
    """Fine-tune a pre-trained model on a task and score it on the test split."""
    input:
        model=trained_model,
        splits=labelled_splits,
        transfer=transfer_tests,
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
        transfer=transfer_folders,
        n_train=None,
    script:
        "../workflow/scripts/finetune.py"


use rule finetune as finetune_part with:
    input:
        model=trained_model,
        splits=labelled_splits,
    output:
        score=f"{RESULTS}/learning_curves/{{task}}/{{dataset}}/{{model}}/n{{n}}_seed{{seed}}.json",
        predictions=f"{RESULTS}/learning_curves/{{task}}/{{dataset}}/{{model}}/n{{n}}_seed{{seed}}.parquet",
    log:
        f"{LOGS}/finetune_part/{{task}}/{{dataset}}/{{model}}/n{{n}}_seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/finetune_part/{{task}}/{{dataset}}/{{model}}/n{{n}}_seed{{seed}}.tsv"
    threads: settings_of("finetune_part")["threads"]
    resources:
        mem_mb=growing("finetune_part", "mem_mb"),
        runtime=growing("finetune_part", "runtime"),
        gpu=settings_of("finetune_part")["gpu"],
    params:
        settings=finetune_part_settings,
        transfer=None,
        n_train=n_train,
