rule region_labels:
    """Draw regions in blocks, and say how accessible each is in each cell type."""
    input:
        pseudobulk=rules.accessibility.output.pseudobulk,
        accessible=rules.accessibility.output.accessible,
    output:
        labelled_file(RUN),
    log:
        f"{LOGS}/region_labels/region_labels.log",
    benchmark:
        f"{BENCHMARKS}/region_labels/region_labels.tsv"
    conda:
        "../envs/corpus.yaml"
    threads: threads_of("region_labels")
    resources:
        **growing("region_labels"),
    params:
        settings=block_settings(RUN),
    script:
        "../workflow/scripts/region_labels.py"


rule embed_regions:
    """Encode the drawn regions with a pre-trained model: states of their k-mers, vectors of their motifs."""
    input:
        unpack(lambda wildcards: embed_regions_inputs(RUN, wildcards.model)),
    output:
        states_file(RUN, "{model}"),
    log:
        f"{LOGS}/embed_regions/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/embed_regions/{{model}}.tsv"
    conda:
        "../envs/pretrain.yaml"
    threads: threads_of("embed_regions")
    resources:
        **growing("embed_regions"),
        gpu=RUN.resources.of("embed_regions")["gpu"],
    params:
        region_bp=RUN.config["corpus"]["region_bp"],
    script:
        "../workflow/scripts/embed_regions.py"


rule predict_accessibility:
    """Predict the accessibility of held-out regions in each cell type, and what of it is specific to cells."""
    input:
        **cell_accessibility_inputs(RUN),
    output:
        shown(
            f"{RESULTS}/tables/cell_accessibility",
            "Tables",
            {"table": "accessibility in each cell type"},
            "cell_accessibility",
            [*FORMATS, "json"],
        ),
    log:
        f"{LOGS}/predict_accessibility/predict_accessibility.log",
    benchmark:
        f"{BENCHMARKS}/predict_accessibility/predict_accessibility.tsv"
    conda:
        "../envs/cell_accessibility.yaml"
    threads: threads_of("predict_accessibility")
    resources:
        **growing("predict_accessibility"),
    params:
        job=cell_accessibility_job(RUN),
        run=RUN.name,
        scale=RUN.config["scale"],
        notes=cell_accessibility_notes(RUN),
    script:
        "../workflow/scripts/predict_accessibility.py"
