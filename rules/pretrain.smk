rule pretrain:
    """Pre-train a model of config/models.yaml, or only initialise it where its settings say no steps."""
    input:
        unpack(RUN.pretrain_inputs),
    output:
        expand(
            "{results}/models/{{model}}/{file}",
            results=RESULTS,
            file=[*MODEL_FILES, "tokenizer.json", "tokenizer_config.json", "metrics.jsonl"],
        ),
    log:
        f"{LOGS}/pretrain/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/pretrain/{{model}}.tsv"
    retries: 3
    conda:
        "../envs/pretrain.yaml"
    threads: threads_of("pretrain")
    resources:
        **layout_of_processes(),
        **growing("pretrain"),
    params:
        model=RUN.pretrain_model,
        region_bp=RUN.config["corpus"]["region_bp"],
        regions_per_sample=RUN.config["corpus"]["regions_per_sample"],
        seed=RUN.pretrain_seed,
        # No declared output: Snakemake would delete it when the job fails, and with it the means to resume.
        checkpoints=f"{RESULTS}/checkpoints/{{model}}",
    script:
        "../workflow/scripts/pretrain.py"


rule curves:
    """Draw the losses, accuracies and learning rate of a model's pre-training."""
    input:
        lambda wildcards: RUN.model_files(wildcards.model),
        metrics=f"{RESULTS}/models/{{model}}/metrics.jsonl",
    output:
        shown(f"{RESULTS}/figures/pretrain/{{model}}", "Pre-training", {"model": "{model}"}, "curves"),
    log:
        f"{LOGS}/curves/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/curves/{{model}}.tsv"
    localrule: True
    conda:
        "../envs/figures.yaml"
    threads: threads_of("curves")
    resources:
        **growing("curves"),
    params:
        run=RUN.name,
        scale=RUN.config["scale"],
    script:
        "../workflow/scripts/curves.py"
