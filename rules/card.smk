rule card:
    """Describe the run's pre-training data, and what downstream data share with them."""
    input:
        accessible=rules.accessibility.output.accessible,
        summary=rules.accessibility.output.summary,
        sequences=SEQUENCES,
        motifs=MOTIFS,
        groups=rules.corpus.output.groups,
        corpus=rules.corpus.output.corpus,
        genome=f"{RESULTS}/genome/genome.json",
        raw=list(raw_files().values()),
        tasks=[task_files(*name.split("/")) for name in data_set_names()],
    output:
        [
            report(
                f"{RESULTS}/corpus/{name}.{suffix}",
                caption="../workflow/report/card.rst",
                category="Data",
                labels={"picture": name, "format": suffix},
            )
            for name in ("regions_per_type", "sharing")
            for suffix in ("svg", "png")
        ],
        card=f"{RESULTS}/corpus/card.json",
        page=report(
            f"{RESULTS}/corpus/card.md",
            caption="../workflow/report/card.rst",
            category="Data",
            labels={"picture": "card", "format": "md"},
        ),
    log:
        f"{LOGS}/card/card.log",
    benchmark:
        f"{BENCHMARKS}/card/card.tsv"
    conda:
        "../envs/card.yaml"
    threads: 1
    resources:
        mem_mb=growing("card", "mem_mb"),
        runtime=growing("card", "runtime"),
    params:
        run=RUN,
        scale=config["scale"],
        notes=config["notes"],
        region_bp=config["corpus"]["region_bp"],
        motif_region_bp=config["motifs"]["region_bp"],
        raw_names=list(raw_files()),
        data_sets=data_set_names(),
    script:
        "../workflow/scripts/card.py"
