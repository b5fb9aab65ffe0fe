"""How long the windows are in which an encoder reads blocks of genes; light, for a plan asks too."""

from dataclasses import dataclass
from math import ceil

from genebert.errors import InputError

# Border of a piece, and least room for a core, as a part of what an encoder reads at once.
PART = 8
# A core is at least as long, so that a context of a few bases does not need a window for each.
SHORTEST = 16


@dataclass(frozen=True)
class Layout:
    """How long the parts of a window are, in bases."""

    piece: int  # what an encoder reads at once
    pieces: int  # of a window; they overlap by 2 * `border`
    border: int  # at either end of a piece, whose states are left out; 0 for a single one
    margin: int  # before the core, and at least as much behind it
    core: int

    @property
    def bases(self) -> int:
        """Bases of a window."""
        return self.pieces * self.inner + 2 * self.border

    @property
    def inner(self) -> int:
        """Bases of a piece whose states are used."""
        return self.piece - 2 * self.border


def make_layout(context: int | None, positions: int, k: int) -> Layout:
    """Return the windows of an encoder with so many positions, in which each base of the core sees `context` bases.

    A base sees up to half as many more, or 15, as it lies in the core.

    Parameters
    ----------
    context : int or None
        Even; half of it lies on either side. None: windows as long as the encoder's positions, with margins of an
        eighth.
    positions : int
        [CLS] and [SEP] take two.

    Raises
    ------
    InputError
        The encoder reads fewer bases than a k-mer and a core need.
    """
    longest = positions + k - 3
    part = longest // PART
    if part < k:
        raise InputError(
            f"max_tokens: found {positions}, expected at least {PART * k - k + 3} for the classes of bases with k {k}"
        )
    if context is None:
        return Layout(longest, 1, 0, part, longest - 2 * part)
    margin = context // 2
    core = max(margin, SHORTEST)
    if context + part <= longest:
        core = min(longest - context, core)
        return Layout(core + context, 1, 0, margin, core)
    # As few pieces as can be, and those no longer than they must: none reads further than the window.
    bases = core + context - 2 * part
    pieces = ceil(bases / (longest - 2 * part))
    return Layout(ceil(bases / pieces) + 2 * part, pieces, part, margin, core)
