rule pretrain:
    """Pre-train a model of config/models.yaml, or only initialise it where its settings say no steps."""
    input:
        weights=initial_weights,
        groups=rules.corpus.output.groups,
        corpus=rules.corpus.output.corpus,
        sequences=SEQUENCES,
        motifs=MOTIFS,
    output:
        expand(
            "{results}/models/{{model}}/{file}",
            results=RESULTS,
            file=[
                "config.json",
                "model.safetensors",
                "vocab.txt",
                "tokenizer.json",
                "tokenizer_config.json",
                "model.json",
                "metrics.jsonl",
            ],
        ),
    log:
        f"{LOGS}/pretrain/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/pretrain/{{model}}.tsv"
    retries: 3
    conda:
        "../envs/pretrain.yaml"
    threads: settings_of("pretrain")["threads"]
    resources:
        **layout_of_processes("pretrain"),
        mem_mb=growing("pretrain", "mem_mb"),
        runtime=growing("pretrain", "runtime"),
        gpu=settings_of("pretrain")["gpu"],
    params:
        model=model_settings,
        region_bp=config["corpus"]["region_bp"],
        regions_per_sample=config["corpus"]["regions_per_sample"],
        seed=config["seed"],
        # No declared output: Snakemake would delete it when the job fails, and with it the means to resume.
        checkpoints=f"{RESULTS}/checkpoints/{{model}}",
    script:
        "../workflow/scripts/pretrain.py"


rule curves:
    """Draw the losses, accuracies and learning rate of a model's pre-training."""
    input:
        trained_model,
    output:
        [
            report(
                f"{RESULTS}/figures/pretrain/{{model}}.{suffix}",
                caption="../workflow/report/curves.rst",
                category="Pre-training",
                labels={"model": "{model}", "format": suffix},
            )
            for suffix in ("svg", "png")
        ],
    log:
        f"{LOGS}/curves/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/curves/{{model}}.tsv"
    conda:
        "../envs/pretrain.yaml"
    threads: 1
    resources:
        mem_mb=growing("curves", "mem_mb"),
        runtime=growing("curves", "runtime"),
    params:
        run=RUN,
        scale=config["scale"],
    script:
        "../workflow/scripts/curves.py"
