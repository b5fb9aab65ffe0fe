"""Motifs that several tests score."""

import numpy as np
import pytest
from motif_reference import random_motif

from genebert.motifs.jaspar import load_jaspar


@pytest.fixture(scope="session")
def small_motifs():
    rng = np.random.default_rng(1)
    return [random_motif(rng, width, f"M{i}") for i, width in enumerate((3, 5, 6, 7, 8, 12))]


@pytest.fixture(scope="session")
def jaspar():
    return load_jaspar()
