rule promoter:
    """Make the labelled splits of a promoter data set."""
    input:
        unpack(promoter_inputs),
    output:
        expand("{results}/tasks/promoter/{{dataset}}/{file}", results=RESULTS, file=TASK_FILES),
    log:
        f"{LOGS}/promoter/{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/promoter/{{dataset}}.tsv"
    conda:
        "../envs/tasks.yaml"
    threads: 1
    resources:
        mem_mb=growing("promoter", "mem_mb"),
        runtime=growing("promoter", "runtime"),
    params:
        settings=promoter_settings,
        seed=config["seed"],
        chromosomes=config["chromosomes"],
    script:
        "../workflow/scripts/promoter.py"


rule tfbs:
    """Make the labelled splits of a TF-binding data set."""
    input:
        peaks=tfbs_peaks,
        genome=GENOME,
    output:
        expand("{results}/tasks/tfbs/{{dataset}}/{file}", results=RESULTS, file=TASK_FILES),
    log:
        f"{LOGS}/tfbs/{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/tfbs/{{dataset}}.tsv"
    conda:
        "../envs/tasks.yaml"
    threads: 1
    resources:
        mem_mb=growing("tfbs", "mem_mb"),
        runtime=growing("tfbs", "runtime"),
    params:
        settings=tfbs_settings,
        seed=config["seed"],
        chromosomes=config["chromosomes"],
    script:
        "../workflow/scripts/tfbs.py"
