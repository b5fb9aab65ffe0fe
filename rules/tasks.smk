rule task:
    """Make the labelled splits of a downstream data set."""
    input:
        unpack(RUN.task_inputs),
    output:
        expand("{results}/tasks/{{task}}/{{dataset}}/{file}", results=RESULTS, file=TASK_FILES),
    log:
        f"{LOGS}/task/{{task}}/{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/task/{{task}}/{{dataset}}.tsv"
    group:
        "tasks"
    conda:
        "../envs/tasks.yaml"
    threads: threads_of("task")
    resources:
        **growing("task"),
        turn=1,
    params:
        settings=RUN.task_settings,
        seed=RUN.config["seed"],
        chromosomes=RUN.config["chromosomes"],
    script:
        "../workflow/scripts/task.py"
