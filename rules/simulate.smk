rule simulate:
    """Write a toy atlas with known truth in the file formats of the real sources."""
    input:
        f"{RUN.jaspar}.txt",
    output:
        expand(
            "resources/simulated/{file}",
            file=[
                "genome.fa.gz",
                "matrix.mtx.gz",
                "peaks.bed",
                "cells.tsv",
                "blacklist.bed",
                "epdnew.bed",
                "promoter_motifs.txt",
                "tfbs/wgEncodeAwgTfbsUtaA549CtcfUniPk.narrowPeak.gz",
                "tfbs/wgEncodeAwgTfbsUwAg04449CtcfUniPk.narrowPeak.gz",
                "tfbs/wgEncodeAwgTfbsUwBe2cCtcfUniPk.narrowPeak.gz",
                "canonical_dataset.txt",
                "truth.json",
            ],
        ),
    log:
        f"{LOGS}/simulate/simulate.log",
    benchmark:
        f"{BENCHMARKS}/simulate/simulate.tsv"
    conda:
        "../envs/simulate.yaml"
    threads: threads_of("simulate")
    resources:
        **growing("simulate"),
    params:
        simulate=RUN.config["simulate"],
        seed=RUN.config["seed"],
    script:
        "../workflow/scripts/simulate.py"
