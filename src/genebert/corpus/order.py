"""Samples of the steps, a pure function of the seed and the step, so that a resumed run needs no loader state."""

from dataclasses import dataclass

import numpy as np

from genebert.corpus.groups import Groups

# Labels of next genome-segment prediction, as in transformers' BertForPreTraining.
CONSECUTIVE, REPLACED = 0, 1


@dataclass(frozen=True)
class Draw:
    """The samples of one step, before tokens are made."""

    # int64 [batch, regions_per_sample], as shown: segment A, then segment B (which may come from another group)
    regions: np.ndarray
    label: np.ndarray  # int64 [batch]: CONSECUTIVE or REPLACED
    group: np.ndarray  # int64 [batch]: that segment A comes from; names the sample in messages
    reverse: np.ndarray | None = None  # bool [batch, regions_per_sample]: read from the reverse strand; None: no region

    def rows(self, start: int, stop: int) -> "Draw":
        """Return some of the samples."""
        return Draw(*(None if array is None else array[start:stop] for array in vars(self).values()))


class SampleOrder:
    """Which samples each step sees.

    Every epoch is a new permutation of all groups. In half of the samples segment B is replaced by the second half of
    another group of the same cell type, chromosome and split that is not a neighbour (docs/facts.md 24); groups in
    stretches too short to have such a partner always stay consecutive.

    Parameters
    ----------
    groups : Groups
    batch : int
        Samples a step. The last, partial batch of an epoch is filled from the next epoch.
    seed : int
    strands : {"given", "random"}
        ``random``: half of the regions, anew in each step, are read from the reverse strand. Which samples are drawn
        does not depend on it.
    alike : int64 [n_groups], optional
        The groups in an order in which neighbours are alike: a batch then has consecutive ones of it, so that its
        negatives are hard. Where each epoch cuts that order, and the order of its batches, are random.
    """

    def __init__(self, groups: Groups, batch: int, seed: int, strands: str = "given", alike: np.ndarray | None = None):
        self.groups, self.batch, self.seed, self.strands, self._alike = groups, batch, seed, strands, alike
        # Where each group's stretch begins and ends; of it, groups i - 1, i, i + 1 are no negatives.
        self._low, high = (np.searchsorted(groups.block, groups.block, side) for side in ("left", "right"))
        index = np.arange(len(groups))
        self._skip_from = np.maximum(index - 1, self._low)
        self._skip = np.minimum(index + 2, high) - self._skip_from
        self._choices = high - self._low - self._skip
        self._epoch, self._permutation = None, None  # of the epoch last asked for

    @property
    def has_negative(self) -> np.ndarray:
        """Bool [n_groups]: whether a replacement for segment B exists."""
        return self._choices > 0

    def _group_of(self, position: np.ndarray) -> np.ndarray:
        """Return the group at each place of the endless sequence of epochs."""
        result = np.empty(len(position), dtype=np.int64)
        epochs = position // len(self.groups)
        for epoch in np.unique(epochs):
            if epoch != self._epoch:
                generator = np.random.default_rng([self.seed, int(epoch), 0])
                self._epoch, self._permutation = int(epoch), self._permuted(generator, int(epoch))
            here = epochs == epoch
            result[here] = self._permutation[position[here] % len(self.groups)]
        return result

    def _permuted(self, generator: np.random.Generator, epoch: int) -> np.ndarray:
        """Return the order of the groups in an epoch."""
        n = len(self.groups)
        if self._alike is None:
            return generator.permutation(n)
        turned = np.roll(self._alike, int(generator.integers(n)))
        # The epoch begins in the middle of a batch, and may end in one: pieces are cut where batches begin.
        first = min(n, -epoch * n % self.batch)
        begin, *pieces = np.split(turned, np.arange(first, n, self.batch))
        end = pieces.pop() if pieces and len(pieces[-1]) < self.batch else turned[:0]
        return np.concatenate([begin, *(pieces[i] for i in generator.permutation(len(pieces))), end])

    def draw(self, step: int) -> Draw:
        """Return the samples of a step (the first step is 0)."""
        group = self._group_of(step * self.batch + np.arange(self.batch))
        generator = np.random.default_rng([self.seed, step, 1])
        replaced = (generator.random(self.batch) < 0.5) & self.has_negative[group]
        place = (generator.random(self.batch) * self._choices[group]).astype(np.int64)
        partner = self._low[group] + place
        partner += np.where(partner >= self._skip_from[group], self._skip[group], 0)
        half = self.groups.regions.shape[1] // 2
        regions = self.groups.regions[group].astype(np.int64)
        regions[replaced, half:] = self.groups.regions[partner[replaced], half:]
        reverse = generator.random(regions.shape) < 0.5 if self.strands == "random" else None
        return Draw(regions, np.where(replaced, REPLACED, CONSECUTIVE), group, reverse)
