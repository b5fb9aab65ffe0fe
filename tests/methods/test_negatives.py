"""Which rows epochs see."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from splice_blocks import BLOCK, gene_blocks

from genebert.methods.layouts import make_layout
from genebert.methods.negatives import seen_rows
from genebert.methods.windows import Windows

LABELS = Windows(gene_blocks(9, 0), BLOCK, make_layout(20, 64, 3)).labels


@given(st.floats(0.01, 1))
def test_all_rows_with_a_site_and_a_share_of_the_others(share):
    seen = seen_rows(LABELS, share)
    assert set(seen.sites) == set(np.flatnonzero((LABELS > 0).any(1)))
    assert ((LABELS[seen.others] == 0).any(1)).all() and not (LABELS[seen.others] > 0).any()
    assert len(seen.sites) + len(seen.others) == ((LABELS >= 0).any(1)).sum()
    assert seen.drawn == max(1, round(share * len(seen.others))) and len(seen) == len(seen.sites) + seen.drawn
    none = (LABELS[seen.sites] == 0).sum(), (LABELS[seen.others] == 0).sum()
    assert seen.kept == pytest.approx((none[0] + none[1] * seen.drawn / len(seen.others)) / sum(none))


def test_epochs_draw_anew():
    seen = seen_rows(LABELS, 0.3)
    first, again, second, other = (seen.draw(*one) for one in (((0,), 1), ((0,), 1), ((0,), 2), ((1,), 1)))
    assert np.array_equal(first, again) and len(first) == len(set(first)) == len(seen)
    assert not np.array_equal(first, second) and not np.array_equal(first, other)
    assert all(set(seen.sites) <= set(rows) <= {*seen.sites, *seen.others} for rows in (first, second, other))


def test_with_all_of_them_epochs_see_every_row_with_an_evaluated_base():
    seen = seen_rows(LABELS, 1.0)
    assert seen.kept == 1 and np.array_equal(seen.draw((0,), 1), np.flatnonzero((LABELS >= 0).any(1)))
    only_sites = seen_rows(LABELS[(LABELS > 0).any(1)], 0.1)
    assert only_sites.drawn == 0 and only_sites.kept == 1
