rule learning_curve:
    """Draw the test AUC of models against the number of labelled examples."""
    input:
        scores=learning_curve_scores,
    output:
        [
            report(
                f"{RESULTS}/figures/learning_curves/{{task}}/{{dataset}}.{suffix}",
                caption="../workflow/report/learning_curve.rst",
                category="Learning curves",
                labels={"data set": "{task}/{dataset}", "format": suffix},
            )
            for suffix in ("svg", "png", "csv")
        ],
    log:
        f"{LOGS}/learning_curve/{{task}}/{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/learning_curve/{{task}}/{{dataset}}.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing("learning_curve", "mem_mb"),
        runtime=growing("learning_curve", "runtime"),
    params:
        run=RUN,
        scale=config["scale"],
    script:
        "../workflow/scripts/learning_curve.py"
