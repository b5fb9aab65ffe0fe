rule baseline:
    """Fit a simple model on a task and score it on the test split."""
    input:
        splits=labelled_splits,
        transfer=transfer_tests,
        jaspar=baseline_motifs,
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
    params:
        transfer=transfer_folders,
        n_train=None,
        release=config["motifs"]["release"],
    script:
        "../workflow/scripts/baseline.py"


use rule baseline as baseline_part with:
    input:
        splits=labelled_splits,
        jaspar=baseline_motifs,
    output:
        score=f"{RESULTS}/learning_curves/{{task}}/{{dataset}}/{{baseline}}/n{{n}}_seed{{seed}}.json",
        predictions=f"{RESULTS}/learning_curves/{{task}}/{{dataset}}/{{baseline}}/n{{n}}_seed{{seed}}.parquet",
    log:
        f"{LOGS}/baseline_part/{{task}}/{{dataset}}/{{baseline}}/n{{n}}_seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/baseline_part/{{task}}/{{dataset}}/{{baseline}}/n{{n}}_seed{{seed}}.tsv"
    threads: settings_of("baseline_part")["threads"]
    resources:
        mem_mb=growing("baseline_part", "mem_mb"),
        runtime=growing("baseline_part", "runtime"),
    params:
        transfer=None,
        n_train=n_train,
        release=config["motifs"]["release"],


rule unavailable:
    """Say in a score file that a data set or model cannot be had."""
    output:
        f"{RESULTS}/scores/{{task}}/{{dataset}}/{{method}}/unavailable.json",
    log:
        f"{LOGS}/unavailable/{{task}}/{{dataset}}/{{method}}.log",
    benchmark:
        f"{BENCHMARKS}/unavailable/{{task}}/{{dataset}}/{{method}}.tsv"
    conda:
        "../envs/baselines.yaml"
    threads: 1
    resources:
        mem_mb=growing("unavailable", "mem_mb"),
        runtime=growing("unavailable", "runtime"),
    params:
        reason=absence,
        seed=config["finetune"]["seeds"][0],
    script:
        "../workflow/scripts/unavailable.py"
