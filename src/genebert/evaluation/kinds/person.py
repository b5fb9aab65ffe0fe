"""Status of people, cross-validated: one label a person, whose two haplotypes are read in memory only.

Nothing about single people leaves a fit: predictions are counts of cases and controls by tenths of the score.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.evaluation.examples import SPLITS, Examples
from genebert.evaluation.kinds.base import Scored
from genebert.evaluation.kinds.two_class import TwoClass
from genebert.evaluation.metrics import fold_metrics
from genebert.evaluation.people import People, cohort_files, concatenated, read_cohort, read_split
from genebert.genome.fasta import Genome
from genebert.settings.people import KIND, PeopleSettings

TENTHS = 10


class PersonStatus(TwoClass):
    """The score is the probability that a person is a case.

    Every person is tested once, by a classifier that was fitted on the people of other folds; the folds are those of
    the data set, whatever the seed.
    """

    name = KIND
    reads = ("people", "folds", "people_sha256")
    one_strand = "both haplotypes are read as the genome is"
    columns = {"score_from": "float64", "score_to": "float64", "cases": "int64", "controls": "int64"}  # noqa: RUF012

    def read(
        self, paths: Mapping[str, Path], genome: Genome | None, files: Mapping[str, str | Path]
    ) -> dict[str, Examples]:
        """Return the people of each split, and all that the user's files say of them.

        Raises
        ------
        InputError
            No genome, or files that cannot be read or are not those that the splits were made from.
        """
        if genome is None or not {"vcf", "phenotypes", "regions"} <= set(files):
            raise InputError("a data set of people: found no genome, vcf, phenotypes or regions, expected all of them")
        cohort = read_cohort(cohort_files(files), PeopleSettings(**self.about["people"]), genome)
        found: dict[str, Examples] = {name: read_split(path, cohort, name) for name, path in paths.items()}
        if cohort.digest != self.about["people_sha256"]:
            raise InputError(
                f"{files['phenotypes']}: {len(cohort.people)} people whose names, status, families or order are "
                f"not those that the data set was made from ({sum(map(len, found.values()))} people); expected the "
                "same table, or the rule `task` again"
            )
        return found

    def rotations(self, splits: Mapping[str, Examples]) -> Iterator[dict[str, Examples]]:
        """Yield the splits with each fold in turn as the test set, the one after it for validation."""
        everyone = concatenated([splits[name] for name in SPLITS])
        fold, n = everyone.table["fold"].to_numpy(), self.about["folds"]
        for tested in range(n):
            valid = (tested + 1) % n
            rows = {"train": (fold != tested) & (fold != valid), "valid": fold == valid, "test": fold == tested}
            yield {name: everyone.subset(np.flatnonzero(rows[name])) for name in SPLITS}

    def joined(self, parts: list[Scored]) -> Scored:
        """Return what the fits of all folds said of their people."""
        people: list[People] = [part.examples for part in parts]
        return Scored(concatenated(people), np.concatenate([part.scores for part in parts]))

    def measured(self, tested: Scored, n_bootstrap: int = 1000) -> dict[str, Any]:
        """Return :func:`~genebert.evaluation.metrics.fold_metrics` at the threshold 0.5, as many permutations drawn."""
        fold = tested.examples.table["fold"].to_numpy()
        return fold_metrics(tested.examples.labels, tested.scores, fold, n_bootstrap, n_bootstrap)

    def predictions(self, tested: Scored) -> pd.DataFrame:
        """Return how many cases and controls have a score in each tenth from 0 to 1."""
        edges = np.linspace(0, 1, TENTHS + 1)
        label = tested.examples.labels == 1
        cases, controls = (np.histogram(tested.scores[rows], edges)[0] for rows in (label, ~label))
        table = {"score_from": edges[:-1], "score_to": edges[1:], "cases": cases, "controls": controls}
        return pd.DataFrame(table).astype(self.columns)
