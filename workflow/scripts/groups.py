from pathlib import Path

from _job import logged

with logged(snakemake.log[0]):
    from genebert.corpus.build import Places, build_corpus
    from genebert.settings.data import CorpusSettings

    build_corpus(
        CorpusSettings(**snakemake.params.settings),
        Places(**snakemake.params.places),
        snakemake.input.accessible,
        Path(snakemake.output[0]).parent,
    )
