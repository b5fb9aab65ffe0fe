rule learning_curve:
    """Draw the test AUC of methods against the number of labelled examples."""
    input:
        scores=RUN.learning_curve_scores,
    output:
        shown(
            f"{RESULTS}/figures/learning_curves/{{task}}/{{dataset}}",
            "Learning curves",
            {"data set": "{task}/{dataset}"},
            "learning_curve",
            ["svg", "png", "csv"],
        ),
    log:
        f"{LOGS}/learning_curve/{{task}}/{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/learning_curve/{{task}}/{{dataset}}.tsv"
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: threads_of("learning_curve")
    resources:
        **growing("learning_curve"),
    params:
        run=RUN.name,
        scale=RUN.config["scale"],
    script:
        "../workflow/scripts/learning_curve.py"
