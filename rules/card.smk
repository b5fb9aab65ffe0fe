rule card:
    """Describe the run's pre-training data, and what downstream data share with them."""
    input:
        accessible=rules.accessibility.output.accessible,
        summary=rules.accessibility.output.summary,
        sequences=RUN.sequences,
        motifs=RUN.motifs,
        corpus=RUN.groups,
        genome=RUN.genome[-1],
        raw=list(RUN.raw_files().values()),
        tasks=[RUN.stage(f"tasks/{name}", *SPLITS) for name in RUN.sequence_set_names()],
    output:
        *(
            shown(f"{RESULTS}/corpus/{name}", "Data", {"picture": name}, "card")
            for name in ("regions_per_type", "sharing")
        ),
        card=f"{RESULTS}/corpus/card.json",
        page=shown(f"{RESULTS}/corpus/card", "Data", {"picture": "card"}, "card", ["md"]),
    log:
        f"{LOGS}/card/card.log",
    benchmark:
        f"{BENCHMARKS}/card/card.tsv"
    conda:
        "../envs/card.yaml"
    threads: threads_of("card")
    resources:
        **growing("card"),
    params:
        run=RUN.name,
        scale=RUN.config["scale"],
        notes=RUN.config["notes"],
        region_bp=RUN.config["corpus"]["region_bp"],
        motif_region_bp=RUN.config["motifs"]["region_bp"],
        raw_names=list(RUN.raw_files()),
        data_sets=RUN.sequence_set_names(),
    script:
        "../workflow/scripts/card.py"


rule coverage:
    """Count the splice sites, and bases, that lie with their context in what pre-training has read."""
    input:
        accessible=rules.accessibility.output.accessible,
        corpus=RUN.groups,
        splits=[f"{RESULTS}/tasks/{{task}}/{{dataset}}/{split}" for split in SPLITS],
    output:
        f"{RESULTS}/corpus/coverage/{{task}}/{{dataset}}.json",
    log:
        f"{LOGS}/coverage/{{task}}/{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/coverage/{{task}}/{{dataset}}.tsv"
    conda:
        "../envs/card.yaml"
    threads: threads_of("coverage")
    resources:
        **growing("coverage"),
    params:
        region_bp=RUN.config["corpus"]["region_bp"],
    script:
        "../workflow/scripts/coverage.py"


rule sites_read:
    """Find the test sites that lie in what pre-training has read."""
    input:
        accessible=rules.accessibility.output.accessible,
        corpus=RUN.groups,
        test=f"{RESULTS}/tasks/{{task}}/{{dataset}}/test.parquet",
    output:
        f"{RESULTS}/corpus/sites_read/{{task}}/{{dataset}}.json",
    log:
        f"{LOGS}/sites_read/{{task}}/{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/sites_read/{{task}}/{{dataset}}.tsv"
    localrule: True
    conda:
        "../envs/card.yaml"
    threads: threads_of("sites_read")
    resources:
        **growing("sites_read"),
    params:
        region_bp=RUN.config["corpus"]["region_bp"],
    script:
        "../workflow/scripts/sites_read.py"
