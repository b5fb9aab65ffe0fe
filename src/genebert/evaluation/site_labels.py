"""What the labels of bases mean in the kind ``base-classes``: for all that make, learn or evaluate them."""

import numpy as np
import pandas as pd

KIND = "base-classes"
NONE, ACCEPTOR, DONOR, NOT_EVALUATED = 0, 1, 2, -1
SITES = {"acceptor": ACCEPTOR, "donor": DONOR}


def positions(blocks: pd.DataFrame, base: np.ndarray) -> np.ndarray:
    """Return where bases of blocks lie, one for each row: from 0 on the "+" strand (int64 [n]).

    `base` (int64 [n]) counts from 0 in the direction of transcription.
    """
    return np.where(blocks["strand"] == "-", blocks["end"] - 1 - base, blocks["start"] + base)
