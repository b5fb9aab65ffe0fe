rule corpus:
    """Group ten consecutive accessible regions of each cell type into the samples of pre-training."""
    input:
        accessible=rules.accessibility.output.accessible,
        # not read here: a corpus is finished when all that training needs of it is there
        sequences=SEQUENCES,
        motifs=MOTIFS,
    output:
        groups=f"{RESULTS}/corpus/groups.npz",
        corpus=f"{RESULTS}/corpus/corpus.json",
    log:
        f"{LOGS}/corpus/corpus.log",
    benchmark:
        f"{BENCHMARKS}/corpus/corpus.tsv"
    conda:
        "../envs/corpus.yaml"
    threads: 1
    resources:
        mem_mb=growing("corpus", "mem_mb"),
        runtime=growing("corpus", "runtime"),
    params:
        corpus=config["corpus"],
    script:
        "../workflow/scripts/corpus.py"
