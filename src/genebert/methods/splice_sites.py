"""Simple models of splice sites: two matrices, logistic regression and boosted trees on the bases round a base.

All say for each base of a block how likely it is to be none, acceptor and donor. One base in a thousand is a site, so
they are fitted to all sites and a part, `kept`, of the other bases. The odds of a site against none that are learned
so are 1 / `kept` times those among all bases, which scores restore: exact for logistic models (Prentice and Pyke 1979,
Biometrika 66:403), and next to nothing to the ranks of the sites. Records of fits say `kept` as `negatives`.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import softmax

from genebert.errors import InputError
from genebert.evaluation.examples import Examples
from genebert.evaluation.site_labels import ACCEPTOR, DONOR, KIND, NONE, SITES
from genebert.files import read_json, write_json
from genebert.genome.bases import N_CODE
from genebert.methods.base import Fitted, Method
from genebert.methods.scikit import calibrate, choose_penalty, read_parts, write_parts
from genebert.settings.methods import SplicePwmSettings, SpliceWindowSettings

# Bases of a site's matrix before and after its base, which is the first of the exon (acceptor) or the last (donor):
# 20 of the intron and 3 of the exon, 3 of the exon and 6 of the intron (Yeo and Burge 2004, J Comput Biol 11:377).
MATRICES = {ACCEPTOR: (20, 2), DONOR: (2, 6)}
PWM_AROUND = 20
FALLING = "splice-pwm: other bases match a matrix better than its sites"
AT_ONCE = 1 << 18  # bases that are worked on at once
PENALTIES = (0.01, 0.1, 1.0)  # inverse strengths of the L2 penalty
# Without the penalty a site among bases that are surely none has a gradient of 1 over next to no curvature, its leaf
# a value of thousands: on chr20 false sites then stood above all true ones.
TREES = {
    "learning_rate": 0.1,
    "max_iter": 200,
    "max_leaf_nodes": 31,
    "l2_regularization": 1.0,
    "n_iter_no_change": 10,
}


def block_length(examples: Examples, method: str) -> int:
    """Return how many bases all blocks have.

    Raises
    ------
    InputError
        They have several lengths, or there are none.
    """
    found = np.unique(examples.lengths)
    if len(found) != 1:
        words = f"{found.min()} to {found.max()} bases" if len(found) else "no bases"
        raise InputError(f"{method}: {examples.name}: found blocks of {words}, expected blocks of one length")
    return int(found[0])


def _pieces(examples: Examples, around: int, method: str, share: int = 1) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield rows, and their codes with `around` bases on both sides (uint8 [some, block + 2 around]).

    They are `AT_ONCE` / `share` bases or one block.
    """
    size = max(1, AT_ONCE // share // block_length(examples, method))
    for start in range(0, len(examples), size):
        rows = slice(start, min(start + size, len(examples)))
        yield rows, examples.codes(rows, flank=around)[0]


class Sample(NamedTuple):
    """Bases with what is round them."""

    windows: np.ndarray  # codes, uint8 [n, 2 around + 1]
    classes: np.ndarray  # int8 [n]
    kept: float  # share of the bases without a site that are among them


def sample_windows(examples: Examples, around: int, ratio: int, seed: int, method: str) -> Sample:
    """Return all sites of blocks, and about `ratio` times as many other bases that are evaluated.

    Raises
    ------
    InputError
        There is no acceptor, no donor, or no other base.
    """
    labels = examples.labels
    count = {one: int(np.count_nonzero(labels == one)) for one in (NONE, ACCEPTOR, DONOR)}
    for name, one in {**SITES, "base without a site": NONE}.items():
        if not count[one]:
            raise InputError(f"{method}: {examples.name}: found no {name}, expected at least one")
    kept = min(1.0, ratio * (count[ACCEPTOR] + count[DONOR]) / count[NONE])
    rng, windows, classes = np.random.default_rng(seed), [], []
    for rows, codes in _pieces(examples, around, method):
        here = labels[rows]
        taken = (here > NONE) | ((here == NONE) & (rng.random(here.shape) < kept))
        windows.append(sliding_window_view(codes, 2 * around + 1, axis=1)[taken])
        classes.append(here[taken])
    return Sample(np.concatenate(windows), np.concatenate(classes), kept)


# ---------------------------------------------------------------------------------------------------- linear windows


@dataclass(frozen=True, eq=False)
class WindowModel(Fitted):
    """Logits that are a sum over the bases round a base: what a matrix and logistic regression have in common."""

    weights: np.ndarray  # float32 [2 around + 1, 5 letters, 3 classes]
    bias: np.ndarray  # float32 [3]

    def logits(self, codes: np.ndarray) -> np.ndarray:
        """Return the logits (float32 [n, length, 3]) for codes with what is around (uint8 [n, length + 2 around])."""
        length = codes.shape[1] - len(self.weights) + 1
        found = np.tile(self.bias, (len(codes), length, 1))
        for place, table in enumerate(self.weights):
            if table.any():
                found += table[codes[:, place : place + length]]
        return found

    def score(self, examples: Examples) -> np.ndarray:
        """Return the probabilities of none, acceptor and donor (float32 [n, block, 3])."""
        scores = np.empty((len(examples), block_length(examples, self.method), len(self.bias)), dtype=np.float32)
        for rows, codes in _pieces(examples, len(self.weights) // 2, self.method):
            scores[rows] = softmax(self.logits(codes), axis=-1)
        return scores

    def write(self, folder: Path) -> None:
        """Write ``weights.json``."""
        write_json(folder / "weights.json", {"weights": self.weights.tolist(), "bias": self.bias.tolist()})

    @classmethod
    def read(cls, folder: Path, *about: Any) -> Self:
        """Read ``weights.json``."""
        found = read_json(folder / "weights.json")
        return cls(*about, *(np.array(found[name], dtype=np.float32) for name in ("weights", "bias")))


def base_frequencies(examples: Examples, method: str) -> np.ndarray:
    """Return the shares of A, C, G and T (float64 [4]) among the bases that are evaluated."""
    labels, counts = examples.labels, np.zeros(N_CODE + 1, dtype=np.int64)
    for rows, codes in _pieces(examples, 0, method):
        counts += np.bincount(codes[labels[rows] >= 0], minlength=N_CODE + 1)
    if not counts[:N_CODE].all():
        raise InputError(
            f"{method}: {examples.name}: found {counts.tolist()} A, C, G, T and N, expected some of each base"
        )
    return counts[:N_CODE] / counts[:N_CODE].sum()


def log_odds(windows: np.ndarray, background: np.ndarray, pseudocount: float) -> np.ndarray:
    """Return the log-odds of the letters at each place of aligned sites.

    Parameters
    ----------
    windows : uint8 [n, width]
        Codes; an N is not counted.
    background : float [4]
        Shares of A, C, G and T.
    pseudocount : float
        Sites that are added, with the background's shares.

    Returns
    -------
    float64 [width, 5]
        Natural logarithms; 0 for N, which says nothing.
    """
    counts = (windows[:, :, None] == np.arange(N_CODE, dtype=np.uint8)).sum(axis=0)
    shares = (counts + pseudocount * background) / (counts.sum(axis=1, keepdims=True) + pseudocount)
    return np.pad(np.log(shares / background), ((0, 0), (0, 1)))


class SplicePwm(Method):
    """``splice-pwm``: a matrix for acceptors (23 bases) and one for donors (9), learned from the training sites.

    The background is the composition of the training genes. How the two log-odds become probabilities is learned from
    `valid`, whose sites the matrices have not seen: the log of the odds of each site against none rises linearly with
    its own matrix's log-odds (two logistic regressions, which make one softmax with none as reference: Begg and Gray
    1984, Biometrika 71:11). So sites are ranked by their own matrix, but for ties, which the other breaks.
    """

    name = "splice-pwm"
    fitted = WindowModel
    Settings = SplicePwmSettings
    kinds = (KIND,)
    deterministic = True
    packages = ("scikit-learn", "numpy")

    def fit(self, train: Examples, valid: Examples, seed: int) -> WindowModel:
        """Learn the matrices from `train` and the calibration from `valid`."""
        background = base_frequencies(train, self.name)
        sites = sample_windows(train, PWM_AROUND, 1, 0, self.name)
        weights = np.zeros((2 * PWM_AROUND + 1, N_CODE + 1, 1 + len(SITES)), dtype=np.float32)
        for one, (before, after) in MATRICES.items():
            places = slice(PWM_AROUND - before, PWM_AROUND + after + 1)
            found = sites.windows[sites.classes == one, places]
            weights[places, :, one] = log_odds(found, background, self.settings.pseudocount)
        model = WindowModel(self.name, self.kind, {}, weights, np.zeros(1 + len(SITES), dtype=np.float32))

        known = sample_windows(valid, PWM_AROUND, self.settings.ratio, 0, self.name)
        matched = model.logits(known.windows)[:, 0]
        slope, bias = np.zeros((2, 1 + len(SITES)))
        for one in SITES.values():
            among = (known.classes == one) | (known.classes == NONE)
            slope[one], bias[one] = calibrate(matched[among, one], known.classes[among] == one, FALLING)
        bias[1:] += np.log(known.kept)
        settings = {
            **asdict(self.settings),
            "context": "22 / 8",  # bases of an acceptor's and of a donor's matrix beside the site
            "background": background.tolist(),
            "sites": {name: int((sites.classes == one).sum()) for name, one in SITES.items()},
            "calibration": {
                name: {"slope": slope[one], "intercept": bias[one], "others_kept": known.kept}
                for name, one in SITES.items()
            },
        }
        weights, bias = ((weights * slope).astype(np.float32), bias.astype(np.float32))
        record = self.record(settings) | {"negatives": known.kept}
        return WindowModel(self.name, self.kind, record, weights, bias)


# --------------------------------------------------------------------------------------------------- the 80 nt window


class SpliceLogreg(Method):
    """``splice-logreg``: logistic regression of the three classes on the one-hot bases of the window, L2 penalty.

    The penalty is the one with the smallest loss on the bases drawn from `valid`. The seed draws the bases without a
    site.
    """

    name = "splice-logreg"
    fitted = WindowModel
    Settings = SpliceWindowSettings
    kinds = (KIND,)
    packages = ("scikit-learn", "numpy")

    def fit(self, train: Examples, valid: Examples, seed: int) -> WindowModel:
        """Fit on `train`; `valid` chooses the penalty."""
        from sklearn.linear_model import LogisticRegression

        around, ratio = self.settings.around, self.settings.ratio
        seen, held = (sample_windows(one, around, ratio, seed, self.name) for one in (train, valid))
        inputs, held_inputs = _one_hot(seen.windows), _one_hot(held.windows)
        best, model = choose_penalty(
            PENALTIES,
            lambda penalty: LogisticRegression(C=penalty, max_iter=1000).fit(inputs, seen.classes),
            held_inputs,
            held.classes,
        )
        weights = model.coef_.reshape(1 + len(SITES), 2 * around + 1, N_CODE).transpose(1, 2, 0)
        weights = np.pad(weights, ((0, 0), (0, 1), (0, 0))).astype(np.float32)  # an N counts for nothing
        bias = model.intercept_ - np.log(seen.kept) * (np.arange(1 + len(SITES)) == NONE)
        settings = asdict(self.settings) | {
            "context": 2 * around,
            "others_kept": seen.kept,
            "inverse_penalties": list(PENALTIES),
            "chosen_inverse_penalty": best,
        }
        record = self.record(settings) | {"negatives": seen.kept}
        return WindowModel(self.name, self.kind, record, weights, bias.astype(np.float32))


def _one_hot(windows: np.ndarray) -> Any:
    """Return the bases of windows as a sparse matrix (CSR, float64 [n, 4 width]); all zero for N."""
    from scipy.sparse import csr_matrix

    known = windows != N_CODE
    columns = np.arange(windows.shape[1], dtype=np.int32) * N_CODE + windows
    ends = np.append(0, known.sum(axis=1).cumsum())
    return csr_matrix((np.ones(ends[-1]), columns[known], ends), shape=(len(windows), N_CODE * windows.shape[1]))


@dataclass(frozen=True, eq=False)
class SpliceTreesModel(Fitted):
    """Boosted trees, how many bases they see on each side, and the share of bases without a site in their training."""

    classifier: Any
    around: int
    kept: float

    def score(self, examples: Examples) -> np.ndarray:
        """Return the probabilities of none, acceptor and donor (float32 [n, block, 3])."""
        block = block_length(examples, self.method)
        scores = np.empty((len(examples), block, 1 + len(SITES)), dtype=np.float32)
        # The classifier takes 8 bytes for each of the window's bases.
        for rows, codes in _pieces(examples, self.around, self.method, 2):
            windows = sliding_window_view(codes, 2 * self.around + 1, axis=1).reshape(-1, 2 * self.around + 1)
            found = self.classifier.predict_proba(windows)
            found[:, NONE] /= self.kept
            scores[rows] = (found / found.sum(axis=1, keepdims=True)).reshape(-1, block, 1 + len(SITES))
        return scores

    def write(self, folder: Path) -> None:
        """Write ``model.joblib``."""
        write_parts(folder, self.classifier, self.around, self.kept)

    @classmethod
    def read(cls, folder: Path, *about: Any) -> Self:
        """Read ``model.joblib``."""
        return cls(*about, *read_parts(folder))


class SpliceTrees(Method):
    """``splice-trees``: histogram gradient boosting of the three classes on the bases of the window.

    Each base is a category with five values, N among them: what one-hot columns say, in a quarter of the memory.
    The seed draws the bases without a site.
    """

    name = "splice-trees"
    fitted = SpliceTreesModel
    Settings = SpliceWindowSettings
    kinds = (KIND,)
    packages = ("scikit-learn", "numpy")

    def fit(self, train: Examples, valid: Examples, seed: int) -> SpliceTreesModel:
        """Fit on `train`; the number of trees is where the loss on `valid` stops falling."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        around, ratio = self.settings.around, self.settings.ratio
        seen, held = (sample_windows(one, around, ratio, seed, self.name) for one in (train, valid))
        places = list(range(2 * around + 1))
        model = HistGradientBoostingClassifier(
            categorical_features=places, early_stopping=True, random_state=seed, **TREES
        )
        model.fit(seen.windows, seen.classes, X_val=held.windows, y_val=held.classes)
        settings = asdict(self.settings) | {
            "context": 2 * around,
            "others_kept": seen.kept,
            **TREES,
            "trees": int(model.n_iter_),
        }
        record = self.record(settings) | {"negatives": seen.kept}
        return SpliceTreesModel(self.name, self.kind, record, model, around, seen.kept)
