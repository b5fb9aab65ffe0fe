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
        mem_mb=growing("pretrain", "mem_mb"),
        runtime=growing("pretrain", "runtime"),
        gpu=settings_of("pretrain")["gpu"],
    params:
        model=model_settings,
        region_bp=config["corpus"]["region_bp"],
        seed=config["seed"],
        # No declared output: Snakemake would delete it when the job fails, and with it the means to resume.
        checkpoints=f"{RESULTS}/checkpoints/{{model}}",
    script:
        "../workflow/scripts/pretrain.py"
