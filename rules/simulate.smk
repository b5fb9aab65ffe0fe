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


rule cohort:
    """Write a simulated cohort of cases and controls at a locus of the run's genome, with known truth."""
    input:
        genome=RUN.genome,
        jaspar=f"{RUN.jaspar}.txt",
    output:
        expand(
            f"resources/simulated/cohort/{RUN.config['genome']['build']}/{{file}}",
            file=[
                "cohort.vcf.gz",
                "cohort.vcf.gz.tbi",
                "phenotypes.tsv",
                "elements.bed",
                "locus.bed",
                "effects.tsv",
                "truth.json",
            ],
        ),
    log:
        f"{LOGS}/cohort/cohort.log",
    benchmark:
        f"{BENCHMARKS}/cohort/cohort.tsv"
    conda:
        "../envs/simulate.yaml"
    threads: threads_of("cohort")
    resources:
        **growing("cohort"),
    params:
        cohort=RUN.config["cohort"],
        seed=RUN.config["seed"],
    script:
        "../workflow/scripts/cohort.py"
