rule jaspar:
    """Write JASPAR's CORE vertebrate matrices of one release as text, in the order of the matrix' columns."""
    output:
        jaspar="resources/jaspar/{release}.{order}.txt",
        families="resources/jaspar/{release}.{order}.tsv",
    log:
        "logs/jaspar/{release}.{order}.log",
    benchmark:
        "results/benchmark/jaspar/{release}.{order}.tsv"
    wildcard_constraints:
        release=r"JASPAR\d{4}",
        order="[a-z_]+",
    localrule: True
    conda:
        "../envs/motifs.yaml"
    threads: threads_of("jaspar")
    resources:
        **growing("jaspar"),
    script:
        "../workflow/scripts/jaspar.py"


rule motifs:
    """Score every region with every motif: the regions x TFs matrix."""
    input:
        jaspar=f"{RUN.jaspar}.txt",
        families=f"{RUN.jaspar}.tsv",
        sequences=RUN.sequences,
        training=RUN.motif_training,
    output:
        RUN.motifs,
    log:
        f"{LOGS}/motifs/motifs.log",
    benchmark:
        f"{BENCHMARKS}/motifs/motifs.tsv"
    conda:
        "../envs/motifs.yaml"
    threads: threads_of("motifs")
    resources:
        **growing("motifs"),
    params:
        motifs=RUN.config["motifs"],
    script:
        "../workflow/scripts/motifs.py"


use rule motifs as motifs_form with:
    input:
        jaspar=f"{RUN.jaspar}.txt",
        families=f"{RUN.jaspar}.tsv",
        sequences=RUN.sequences,
        training=[],
    output:
        expand("{results}/motifs/{{form}}/{file}", results=RESULTS, file=["matrix.npy", "motifs.tsv", "motifs.json"]),
    log:
        f"{LOGS}/motifs_form/{{form}}.log",
    benchmark:
        f"{BENCHMARKS}/motifs_form/{{form}}.tsv"
    threads: threads_of("motifs_form")
    resources:
        **growing("motifs_form"),
    params:
        motifs=lambda wildcards: RUN.config["motifs"] | {"matrix": wildcards.form, "composition": "keep"},
