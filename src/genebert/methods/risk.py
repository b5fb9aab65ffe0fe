"""Simple models of disease risk: what is known without a sequence model.

Each is a logistic regression on a few numbers a person, standardised, with an L2 penalty chosen on validation people.
"""

import logging
from abc import abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from genebert.errors import InputError
from genebert.evaluation.examples import Examples
from genebert.evaluation.kinds.base import Kind
from genebert.evaluation.kinds.person import PersonStatus
from genebert.evaluation.people import Cohort, People
from genebert.evaluation.risk_variants import SITE, read_effects
from genebert.files import sha256
from genebert.genome.bases import N_CODE
from genebert.genome.intervals import overlapping
from genebert.genome.sequences import RegionSequences
from genebert.methods.base import Fitted, Method, Unavailable
from genebert.methods.best_scores import SCORING
from genebert.methods.scikit import choose_penalty, read_parts, write_parts
from genebert.motifs.jaspar import factor_motifs, read_jaspar
from genebert.motifs.scan import BestScorer
from genebert.motifs.scoring import score_motifs, strand_background
from genebert.settings.methods import CommonVariantsSettings, DisruptedMotifsSettings

logger = logging.getLogger(__name__)
ENOUGH = 0.8  # share of the effects that are found, below which it is said
PENALTIES = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0)  # inverse, as scikit-learn's C


@dataclass(frozen=True, eq=False)
class RiskModel(Fitted):
    """A scikit-learn classifier, the method that makes its numbers, and what that chose on the training people."""

    classifier: Any
    source: "RiskMethod"
    chosen: Any

    def score(self, examples: Examples) -> np.ndarray:
        """Return the probability of being a case (float64 [n])."""
        return self.classifier.predict_proba(self.source.features(examples, self.chosen))[:, 1]

    def write(self, folder: Path) -> None:
        """Write ``model.joblib``."""
        write_parts(folder, self.classifier, self.source, self.chosen)

    @classmethod
    def read(cls, folder: Path, *about: Any) -> Self:
        """Read ``model.joblib``."""
        return cls(*about, *read_parts(folder))


class RiskMethod(Method):
    """A logistic regression on numbers of people."""

    fitted = RiskModel
    kinds = (PersonStatus.name,)
    deterministic = True
    packages = ("scikit-learn", "numpy")

    @abstractmethod
    def features(self, people: People, chosen: Any) -> np.ndarray:
        """Return float [n, m]; NaN where a number is not known, which becomes the training people's mean."""

    def choose(self, train: People) -> Any:
        """Return what is chosen on the training people, without their status."""

    def told(self, chosen: Any) -> dict[str, Any]:
        """Return what the record says of the numbers."""
        return asdict(self.settings)

    def fit(self, train: People, valid: People, seed: int) -> RiskModel:
        """Fit on `train`; the penalty is the one with the smallest loss on `valid`."""
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        chosen = self.choose(train)
        of_train, of_valid = (self.features(one, chosen) for one in (train, valid))

        def fit(penalty: float) -> Any:
            # A column of which nothing is known stays, as 0: columns must be the same for everybody.
            steps = SimpleImputer(keep_empty_features=True), StandardScaler()
            return make_pipeline(*steps, LogisticRegression(C=penalty, max_iter=5000)).fit(of_train, train.labels)

        best, model = choose_penalty(PENALTIES, fit, of_valid, valid.labels)
        settings = self.told(chosen) | {"features": of_train.shape[1], "chosen_inverse_penalty": best}
        return RiskModel(self.name, self.kind, self.record(settings), model, self, chosen)


class _Snps(RiskMethod):
    """Dosages of variants that the data set lists."""

    def __init__(self, kind: Kind, options: dict[str, Any], files: dict[str, Any], card: dict[str, Any]):
        super().__init__(kind, options, files, card)
        self.listed = self.of(card["cohort"]["snps"])
        if not self.listed:
            raise Unavailable("the data set lists no SNPs (tasks.disease, snps)")
        if absent := [name for name in self.listed if name not in card["cohort"]["snps_found"]]:
            raise Unavailable(f"the VCF has no {', '.join(absent)}")

    def of(self, listed: list[str]) -> list[str]:
        """Return those that are used."""
        return listed

    def told(self, chosen: Any) -> dict[str, Any]:
        return {"snps": self.listed}

    def features(self, people: People, chosen: Any) -> np.ndarray:
        """Return the number of alternative alleles, 0 to 2, of each (float32 [n, snps])."""
        rows = people.cohort.rows_of(people.cohort.snps.loc[self.listed])
        if (rows < 0).any():
            raise InputError(f"{self.name}: found no {', '.join(self.listed)} among the variants, expected them all")
        return people.cohort.dosages[people.rows][:, rows]


class OneSnp(_Snps):
    """``one-snp``: the first variant that the data set lists."""

    name = "one-snp"

    def of(self, listed: list[str]) -> list[str]:
        """Return the first."""
        return listed[:1]


class ListedSnps(_Snps):
    """``listed-snps``: all variants that the data set lists, additive."""

    name = "listed-snps"


class CommonVariants(RiskMethod):
    """``common-variants``: all variants of the regions that are common among the training people."""

    name = "common-variants"
    Settings = CommonVariantsSettings

    def choose(self, train: People) -> pd.DataFrame:
        """Return the sites (chrom, start, ref, alt) that are common enough."""
        cohort = train.cohort
        with np.errstate(invalid="ignore"):
            frequency = np.nanmean(cohort.dosages[train.rows], axis=0) / 2
        common = np.minimum(frequency, 1 - frequency) >= self.settings.frequency
        inside = overlapping(cohort.genotypes.sites, cohort.regions)
        sites = cohort.genotypes.sites.loc[common & inside, SITE].reset_index(drop=True)
        if sites.empty:
            raise InputError(
                f"{self.name}: of {len(frequency)} variants in the regions none has a frequency of at least "
                f"{self.settings.frequency}; expected some (methods.{self.name}.frequency)"
            )
        return sites

    def features(self, people: People, chosen: pd.DataFrame) -> np.ndarray:
        """Return the number of alternative alleles at each site (float32 [n, sites]); NaN where it is not there."""
        return dosages_at(people, chosen)


def dosages_at(people: People, sites: pd.DataFrame) -> np.ndarray:
    """Return alternative alleles of people at sites (float32 [n, sites]); NaN where the genotypes have no such site."""
    rows = people.cohort.rows_of(sites)
    found = people.cohort.dosages[people.rows][:, rows]
    found[:, rows < 0] = np.nan
    return found


class Polygenic(RiskMethod):
    """``polygenic``: the sum of alleles times their published effects, from the data set's file `effects`.

    Variants that are not in the VCF count for nothing, and the record says how many; unknown alleles count as the
    training people's mean.
    """

    name = "polygenic"

    def __init__(self, kind: Kind, options: dict[str, Any], files: dict[str, Any], card: dict[str, Any]):
        super().__init__(kind, options, files, card)
        if "effects" not in files:
            raise Unavailable("the data set has no file of effect sizes (tasks.disease, effects)")
        self.source = {"effects": len(read_effects(files["effects"])), "effects_sha256": sha256(files["effects"])}

    def _dosages(self, people: People) -> np.ndarray:
        """Return how many alleles with the effect each person has (float64 [n, effects]); 0 where no site is there."""
        effects = people.cohort.effects
        found = dosages_at(people, effects).astype(np.float64)
        found[:, effects["turned"].to_numpy()] = 2 - found[:, effects["turned"].to_numpy()]
        found[:, people.cohort.rows_of(effects) < 0] = 0
        return found

    def choose(self, train: People) -> dict[str, Any]:
        """Return each effect's mean number of alleles among the training people, and how many effects are there."""
        there = int((train.cohort.rows_of(train.cohort.effects) >= 0).sum())
        if not there:
            raise InputError(f"{self.name}: none of its {self.source['effects']} variants is in the VCF, expected some")
        if there < ENOUGH * self.source["effects"]:
            logger.warning("%s: only %d of %d effects are in the VCF", self.name, there, self.source["effects"])
        known = self._dosages(train)
        means = np.array([np.nanmean(one) if (~np.isnan(one)).any() else 0.0 for one in known.T])
        return {"means": means, "effects_found": there}

    def told(self, chosen: dict[str, Any]) -> dict[str, Any]:
        return self.source | {"effects_found": chosen["effects_found"]}

    def features(self, people: People, chosen: dict[str, Any]) -> np.ndarray:
        """Return one score a person (float64 [n, 1])."""
        found = self._dosages(people)
        weights = people.cohort.effects["weight"].to_numpy()
        return (np.where(np.isnan(found), chosen["means"], found) @ weights)[:, None]


class Sex(RiskMethod):
    """``sex``: sex alone."""

    name = "sex"

    def __init__(self, kind: Kind, options: dict[str, Any], files: dict[str, Any], card: dict[str, Any]):
        super().__init__(kind, options, files, card)
        if not card["cohort"]["sex_known"]:
            raise Unavailable("the sex of nobody is known (tasks.disease, sex)")

    def features(self, people: People, chosen: Any) -> np.ndarray:
        """Return 1 for men, 0 for women (float64 [n, 1])."""
        return people.cohort.people["sex"].to_numpy()[people.rows, None]


class DisruptedMotifs(RiskMethod):
    """``disrupted-motifs``: best scores of some factors on both haplotypes, round the listed SNPs or in all regions.

    A number for each window and factor: the mean of both haplotypes' best log-odds, of the factor's best matrix.
    """

    name = "disrupted-motifs"
    Settings = DisruptedMotifsSettings
    packages = ("lightmotif", "MOODS-python", "scikit-learn", "numpy")

    def __init__(self, kind: Kind, options: dict[str, Any], files: dict[str, Any], card: dict[str, Any]):
        options = {name: value for name, value in options.items() if name != "release"}
        super().__init__(kind, options, files, card)
        motifs = read_jaspar(files["jaspar"])
        self.motifs = {name: factor_motifs(motifs, name) for name in self.settings.factors}
        if absent := [name for name, found in self.motifs.items() if not found]:
            raise Unavailable(f"the motif collection has no matrix of {', '.join(absent)}")

    def _windows(self, cohort: Cohort) -> list[tuple[str, int, int]]:
        if cohort.snps.empty:
            return [tuple(one) for one in cohort.regions[["chrom", "start", "end"]].itertuples(index=False)]
        around, lengths = self.settings.around, cohort.genome.lengths
        return [
            (chrom, max(0, start - around), min(lengths[chrom], start + len(ref) + around))
            for chrom, start, ref, _ in cohort.snps[SITE].itertuples(index=False)
        ]

    def told(self, chosen: Any) -> dict[str, Any]:
        named = {name: [one.matrix_id for one in found] for name, found in self.motifs.items()}
        return asdict(self.settings) | {"matrices": named}

    def choose(self, train: People) -> tuple[float, float, float, float]:
        """Return the background of the matrices: base frequencies of the reference in the windows."""
        genome, windows = train.cohort.genome, self._windows(train.cohort)
        return strand_background(sum(np.bincount(genome.codes(*one), minlength=N_CODE)[:N_CODE] for one in windows))

    def features(self, people: People, chosen: tuple[float, float, float, float]) -> np.ndarray:
        """Return float32 [n, windows * factors]; NaN where a haplotype has no place for any matrix."""
        matrices = [one for found in self.motifs.values() for one in found]
        scorer, blocks = BestScorer(score_motifs(matrices, chosen, **SCORING, p_value=None)), []
        first = np.cumsum([0, *map(len, self.motifs.values())])[:-1]
        for window in self._windows(people.cohort):
            found = people.cohort.haplotypes(*window)
            offsets = np.cumsum([0, *map(len, found.sequences)])
            sequences = RegionSequences(np.concatenate(found.sequences), offsets, "")
            scores = scorer.score(sequences, np.arange(len(found.sequences)))
            blocks.append(np.fmax.reduceat(scores, first, axis=1)[found.index[people.rows]].mean(axis=1))
        return np.hstack(blocks)
