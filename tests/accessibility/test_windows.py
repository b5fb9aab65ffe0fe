"""Regions cut into windows: places by a plain loop, counts of regions, and the stage as a whole."""

import json

import numpy as np
import pandas as pd
import pytest
from accessibility_inputs import make_genome, mtx_inputs, run
from hypothesis import given
from hypothesis import strategies as st

from genebert.accessibility.pseudobulk import PseudoBulk
from genebert.accessibility.windows import cut_into_windows
from genebert.errors import InputError

PLACES = st.lists(
    st.tuples(st.sampled_from(["chr1", "chr2"]), st.integers(0, 60), st.integers(1, 40)),
    min_size=1, max_size=12, unique_by=lambda row: row[:2],
)  # fmt: skip


def bulk_of(places, counts=None) -> PseudoBulk:
    regions = pd.DataFrame([(chrom, start, start + size) for chrom, start, size in places],
                           columns=["chrom", "start", "end"])  # fmt: skip
    counts = np.arange(2 * len(regions)).reshape(2, -1) if counts is None else counts
    return PseudoBulk(regions, ["a", "b"], counts, np.array([3, 4]), (counts > 2).astype(np.int64))


@given(PLACES, st.integers(1, 20))
def test_windows_equal_a_plain_loop(places, size):
    bulk, expected, of = bulk_of(places), {}, {}
    for row, (chrom, start, length) in enumerate(places):
        number = length // size
        first = start + (length - number * size) // 2
        for i in range(number):
            one = expected.setdefault((chrom, first + i * size), [np.zeros(2, int), np.zeros(2, int)])
            one[0] += bulk.counts[:, row]
            np.maximum(one[1], bulk.detected[:, row], out=one[1])
            of.setdefault((chrom, first + i * size), row)
    if not expected:
        with pytest.raises(InputError, match="expected at least"):
            cut_into_windows(bulk, size, "toy")
        return
    found, region_of = cut_into_windows(bulk, size, "toy")
    assert region_of.tolist() == list(of.values())
    assert list(zip(found.regions["chrom"], found.regions["start"], strict=True)) == list(expected)
    assert (found.regions["end"] - found.regions["start"]).tolist() == [size] * len(expected)
    assert found.counts.tolist() == np.transpose([one[0] for one in expected.values()]).tolist()
    assert found.detected.tolist() == np.transpose([one[1] for one in expected.values()]).tolist()
    assert found.types == bulk.types and found.n_cells is bulk.n_cells


def test_the_stage_cuts_what_models_are_shown(tmp_path):
    """Each window is open where its region is; windows, not regions, are counted and filtered."""
    toy = make_genome(tmp_path)
    inputs = mtx_inputs(toy)
    plain, _, regions = run(toy, tmp_path / "plain", inputs)
    cut, sums, windows = run(toy, tmp_path / "cut", inputs, windows_bp=20)
    assert ((sums.X.toarray() > 0) == windows.X.toarray()).all()
    assert ((windows.var["end"] - windows.var["start"]) == 20).all() and windows.n_vars > regions.n_vars
    for place, column in zip(windows.var.itertuples(), windows.X.toarray().T, strict=True):
        inside = regions[:, [one.chrom == place.chrom and one.start <= place.start and place.end <= one.end
                             for one in regions.var.itertuples()]]  # fmt: skip
        if inside.n_vars == 1:
            assert inside.X.toarray()[:, 0].tolist() == column.tolist()
    assert cut["windows_bp"] == 20 and plain["windows_bp"] is None
    assert cut["regions"] == windows.n_vars and cut["input_regions"] == plain["input_regions"]
    for key in ("fragments", "fragments_input"):  # of regions, each once
        of_types = [{name: one[key] for name, one in each["cell_types"].items()} for each in (plain, cut)]
        assert of_types[0] == of_types[1], key
    first, *others = cut["dropped_regions"]
    assert first["step"] == "windows" and first["left"] == others[0]["left"] + others[0]["dropped"]
    assert json.loads((tmp_path / "cut/summary.json").read_text()) == cut


def test_regions_that_are_all_shorter_are_refused(tmp_path):
    toy = make_genome(tmp_path)
    with pytest.raises(InputError, match=r"the longest region has \d+ bases; expected at least 5000, .*windows_bp"):
        run(toy, tmp_path / "out", mtx_inputs(toy), windows_bp=5000)
