rule fit:
    """Fit a method, fine-tuned model or baseline, on a data set with all seeds, and score it on the test split."""
    input:
        unpack(RUN.fit_inputs),
    output:
        expand(
            "{results}/scores/{{task}}/{{dataset}}/{{method}}/seed{seed}.{suffix}",
            results=RESULTS,
            seed=RUN.seeds,
            suffix=("json", "parquet"),
        ),
        **{name: directory(path) for name, path in RUN.kept_classifiers("").items()},
    log:
        f"{LOGS}/fit/{{task}}/{{dataset}}/{{method}}.log",
    benchmark:
        f"{BENCHMARKS}/fit/{{task}}/{{dataset}}/{{method}}.tsv"
    # Nothing but tables waits for it, and much for what is before: pre-training goes first.
    priority: -1
    group:
        RUN.fit_group
    conda:
        "../envs/fit.yaml"
    threads: threads_of("fit")
    resources:
        **growing("fit"),
        gpu=RUN.fit_gpu,
        turn=1,
    params:
        job=RUN.fit_job,
        # No declared output: Snakemake would delete it when the job is killed, and with it the seeds that are done.
        checkpoints=f"{RESULTS}/checkpoints/fit/{{task}}/{{dataset}}/{{method}}",
    script:
        "../workflow/scripts/fit.py"


use rule fit as fit_part with:
    input:
        unpack(RUN.fit_part_inputs),
    output:
        directory(f"{RESULTS}/learning_curves/{{task}}/{{dataset}}/{{method}}"),
        **{name: directory(path) for name, path in RUN.kept_classifiers("learning_curves/").items()},
    log:
        f"{LOGS}/fit_part/{{task}}/{{dataset}}/{{method}}.log",
    benchmark:
        f"{BENCHMARKS}/fit_part/{{task}}/{{dataset}}/{{method}}.tsv"
    threads: threads_of("fit_part")
    resources:
        **growing("fit_part"),
        gpu=lambda wildcards: RUN.fit_gpu(wildcards, "fit_part"),
        turn=1,
    params:
        job=RUN.fit_part_job,
        checkpoints=f"{RESULTS}/checkpoints/fit_part/{{task}}/{{dataset}}/{{method}}",


rule unavailable:
    """Say in a score file that a data set or model cannot be had."""
    output:
        f"{RESULTS}/scores/{{task}}/{{dataset}}/{{method}}/unavailable.json",
    log:
        f"{LOGS}/unavailable/{{task}}/{{dataset}}/{{method}}.log",
    benchmark:
        f"{BENCHMARKS}/unavailable/{{task}}/{{dataset}}/{{method}}.tsv"
    localrule: True
    conda:
        "../envs/fit.yaml"
    threads: threads_of("unavailable")
    resources:
        **growing("unavailable"),
    params:
        reason=lambda wildcards: RUN.reason_of_absence(f"{wildcards.task}/{wildcards.dataset}", wildcards.method),
        seed=RUN.seeds[0],
    script:
        "../workflow/scripts/unavailable.py"
