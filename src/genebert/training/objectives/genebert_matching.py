"""What of sequence-region matching is base composition: floors that know nothing else, and decoys that share it.

Nearly all motif scores rise or fall with a region's GC content, so a row tells the composition of its region, and with
it which of a few regions it belongs to (docs/learning.md). Neither says anything of motifs.
"""

import warnings

import numpy as np

from genebert.corpus.groups import Groups
from genebert.corpus.order import SampleOrder
from genebert.genome.sequences import RegionSequences
from genebert.models.losses import shared_regions
from genebert.motifs.composition import composition, dinucleotides, log_lengths

MATCHED = 3  # decoys of each region: chance is 1 of 4
_FIT_REGIONS = 20_000
_RIDGE = 1e-3  # of the number of regions, on standardised scores: hundreds of them say nearly the same


class Ridge:
    """A ridge regression of features [n, n_features] on standardised values [n, width], both float64."""

    def __init__(self, rows: np.ndarray, features: np.ndarray):
        self.centre, self.scale = features.mean(0), features.std(0)
        self.scale[self.scale == 0] = 1
        target = self.standardised(features)
        gram = rows.T @ rows
        gram[np.diag_indices(len(gram))] += _RIDGE * len(rows)
        self.offset = rows.mean(0)
        self.weights = np.linalg.solve(gram, rows.T @ target)

    def standardised(self, features: np.ndarray) -> np.ndarray:
        """Return features by their mean and standard deviation where the regression was fitted."""
        return (features - self.centre) / self.scale

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Return the standardised features that rows speak of (float64 [n, n_features])."""
        return (rows - self.offset) @ self.weights


class Linear(Ridge):
    """A ridge regression of features of a region on its row, and how surely it knows them."""

    def __init__(self, rows: np.ndarray, features: np.ndarray):
        super().__init__(rows, features)
        left = self.standardised(features) - self.predict(rows)
        spread = np.atleast_2d(left.T @ left / len(rows))
        # Shares sum to 1, and a feature may be known exactly: no direction counts without bound.
        spread[np.diag_indices(len(spread))] += 1e-3
        self.whiten = np.linalg.inv(np.linalg.cholesky(spread)).T

    def places(self, rows: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return features and what rows say of them as points, whose distance is in residual standard deviations."""
        true = self.standardised(features)
        return true @ self.whiten, self.predict(rows) @ self.whiten


class Matches:
    """For each region of a pool the others nearest in GC, CpG and length.

    Parameters
    ----------
    sequences : RegionSequences
    pool : int [n]
        Regions, each once: more than `wanted` and those of a sample together.
    wanted : int
        Most neighbours of a region.
    """

    def __init__(self, sequences: RegionSequences, pool: np.ndarray, wanted: int):
        from sklearn.neighbors import NearestNeighbors

        values = np.column_stack([composition(sequences), log_lengths(sequences)])[pool]
        spread = values.std(0)
        values = (values - values.mean(0)) / np.where(spread > 0, spread, 1)
        # The region itself may not be the first where others have the very same values.
        _, near = NearestNeighbors(n_neighbors=min(wanted + 1, len(pool))).fit(values).kneighbors(values)
        own = near == np.arange(len(pool))[:, None]
        own[~own.any(1), -1] = True
        self.near = pool[near[~own].reshape(len(pool), -1)]  # int64 [n, wanted]
        self._row = np.full(len(sequences), -1)
        self._row[pool] = np.arange(len(pool))

    def draw(self, regions: np.ndarray, n: int) -> np.ndarray:
        """Return for each region of samples (int64 [batch, some]) `n` that match it and are none of its sample.

        Returns
        -------
        int64 [batch, n, some]
            The nearest first.
        """
        near = self.near[self._row[regions]]  # [batch, some, wanted]
        inside = (near[..., None] == regions[:, None, None, :]).any(-1)
        chosen = np.argsort(inside, axis=2, kind="stable")[..., :n]
        return np.take_along_axis(near, chosen, 2).transpose(0, 2, 1)


def _figures(true: np.ndarray, found: np.ndarray, decoys: np.ndarray, excluded: np.ndarray) -> tuple[float, ...]:
    """Return retrieval, matched and swapped retrieval of points, the nearer the likelier; see models.losses.

    Parameters
    ----------
    true, found : float64 [n, width]
        What is so, and what the own rows say.
    decoys : float64 [n, n_decoys, width]
        What rows of matched regions say.
    excluded : bool [n, n]
    """
    apart = ((true[:, None] - found[None]) ** 2).sum(2)
    own, others = apart.diagonal().copy(), ((true[:, None] - decoys) ** 2).sum(2)
    apart[excluded] = np.inf
    retrieved = apart.argmin(1) == np.arange(len(apart))
    matched = (own <= others.min(1)) / (1 + (others == own[:, None]).sum(1))
    np.fill_diagonal(apart, others[:, 0])
    swapped = apart.argmin(1) == np.arange(len(apart))
    return tuple(float(figure.mean()) for figure in (retrieved, matched, swapped))


def known_statistics(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each column without missing values; NaN of a column of them alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numpy's, of columns of NaN: motifs longer than all regions
        return np.nanmean(values, 0), np.nanstd(values, 0)


class Rows:
    """Rows of the matrix as the region encoder sees them, with the statistics of some training regions."""

    def __init__(self, motifs: np.ndarray, train: Groups):
        known = np.unique(train.regions)
        self.motifs, self.fitted = motifs, np.sort(np.random.default_rng(0).permutation(known)[:_FIT_REGIONS])
        values = np.asarray(motifs[self.fitted], dtype=np.float64)
        self.mean, self.sd = known_statistics(values)
        self.mean = np.nan_to_num(self.mean)
        self.sd[~(self.sd > 0)] = 1

    def of(self, regions: np.ndarray) -> np.ndarray:
        """Return standardised rows of regions of any shape (float64 [..., n_tfs]); NaN is the mean."""
        return np.nan_to_num((np.asarray(self.motifs[regions], dtype=np.float64) - self.mean) / self.sd, nan=0.0)


def composition_features(sequences: RegionSequences, fitted: np.ndarray) -> dict[str, np.ndarray]:
    """Return name -> float64 [n_regions, n_features] of what floors know; length where the regions `fitted` differ."""
    features = {"length": log_lengths(sequences)[:, None], "GC and CpG": composition(sequences)}
    features["dinucleotides"] = dinucleotides(sequences)
    if not np.ptp(features["length"][fitted]):
        del features["length"]
    return features


def srm_floors(
    sequences: RegionSequences, rows: Rows, order: SampleOrder, matches: Matches, contrast: str, batches: int
) -> dict[str, dict[str, float]]:
    """Return what matching reaches on validation samples by length or base composition alone.

    A linear map, fitted on training regions, reads length, GC and CpG content, or the dinucleotides off each row; the
    sample, or region with ``contrast: regions``, whose true values are nearest is taken.

    Parameters
    ----------
    rows : Rows
    order : SampleOrder
        Of validation, whose first `batches` are asked.
    matches : Matches
        Of its regions.

    Returns
    -------
    dict of str to dict
        ``srm_accuracy``, ``srm_matched``, ``srm_swapped`` -> ``length`` (where regions differ in it), ``GC and CpG``
        and ``dinucleotides`` -> the figure.
    """
    import torch

    features = composition_features(sequences, rows.fitted)
    names = ("srm_accuracy", "srm_matched", "srm_swapped")
    found: dict[str, dict[str, float]] = {name: {} for name in names}
    fitted = rows.of(rows.fitted)
    for feature, values in features.items():
        model, figures = Linear(fitted, values[rows.fitted]), []
        for i in range(batches):
            regions = order.draw(i).regions
            true, own = model.places(rows.of(regions), values[regions])
            decoys = model.predict(rows.of(matches.draw(regions, MATCHED))) @ model.whiten
            if contrast == "regions":
                regions, decoys = regions.reshape(-1, 1), decoys.transpose(0, 2, 1, 3)
            excluded = shared_regions(torch.from_numpy(regions)).numpy()
            n = len(regions)
            decoys = decoys.reshape(n, MATCHED, -1)
            figures.append(_figures(true.reshape(n, -1), own.reshape(n, -1), decoys, excluded))
        for name, figure in zip(names, np.mean(figures, axis=0), strict=True):
            found[name][feature] = round(float(figure), 4)
    return found
