rule embed:
    """Embed samples of some cell types with the sequence encoder of a model: the points of Figure 2."""
    input:
        model=lambda wildcards: RUN.model_files(wildcards.model),
        sequences=RUN.sequences,
        corpus=RUN.groups,
    output:
        f"{RESULTS}/embeddings/{{model}}.npz",
    log:
        f"{LOGS}/embed/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/embed/{{model}}.tsv"
    conda:
        "../envs/pretrain.yaml"
    threads: threads_of("embed")
    resources:
        **growing("embed"),
        gpu=RUN.resources.of("embed")["gpu"],
    params:
        job=embed_job(RUN),
    script:
        "../workflow/scripts/embed.py"


rule figure2:
    """Figure 2: draw the samples of two models in the plane, and measure how cell types are separated."""
    input:
        unpack(lambda wildcards: figure2_inputs(RUN)),
    output:
        shown(f"{RESULTS}/figures/figure2", "Figure 2", {"figure": "2"}, "figure2", ["svg", "png", "csv"]),
        f"{RESULTS}/figures/figure2.json",
    log:
        f"{LOGS}/figure2/figure2.log",
    benchmark:
        f"{BENCHMARKS}/figure2/figure2.tsv"
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: threads_of("figure2")
    resources:
        **growing("figure2"),
    params:
        settings=RUN.config["figure2"],
        seed=RUN.config["seed"],
        region_bp=RUN.config["corpus"]["region_bp"],
        run=RUN.name,
        scale=RUN.config["scale"],
    script:
        "../workflow/scripts/figure2.py"


rule learning_curve:
    """Draw the test AUC of methods against the number of labelled examples."""
    input:
        scores=lambda wildcards: learning_curve_scores(RUN, wildcards),
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
        rows=lambda wildcards: learning_curve_rows(RUN, wildcards),
        run=RUN.name,
        scale=RUN.config["scale"],
    script:
        "../workflow/scripts/learning_curve.py"
