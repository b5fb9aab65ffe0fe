import numpy as np
import pytest

from genebert.corpus.drawn import Drawn, Embeddings, draw_samples, draw_specific, draw_types
from genebert.corpus.groups import TRAIN, VALID, Groups
from genebert.errors import InputError


def groups_of(regions, cell_type, block=None, split=None):
    n = len(regions)
    types = np.array(cell_type, np.int16)
    blocks = types if block is None else np.array(block)
    splits = np.full(n, TRAIN, np.uint8) if split is None else np.array(split, np.uint8)
    return Groups(np.array(regions, np.int32), types, blocks.astype(np.int32), splits)


def many(numbers, width=2):
    """Samples of types with as many each, all of regions of their own."""
    types = np.repeat(np.arange(len(numbers)), numbers)
    return groups_of(np.arange(len(types) * width).reshape(-1, width), types)


def test_types_are_drawn_from_those_with_enough_samples():
    groups = many([5, 2, 9, 5, 4, 7])
    drawn = [draw_types(groups, 3, 5, seed).tolist() for seed in range(20)]
    assert all(len(one) == 3 and one == sorted(one) and set(one) <= {0, 2, 3, 5} for one in drawn)
    assert len({tuple(one) for one in drawn}) > 1 and drawn[4] == draw_types(groups, 3, 5, 4).tolist()
    assert draw_types(groups, 10, 5, 0).tolist() == [0, 2, 3, 5]  # fewer than asked for: all of them


def test_validation_samples_are_not_drawn():
    groups = groups_of(
        np.arange(12).reshape(6, 2), [0, 0, 0, 1, 1, 1], split=[TRAIN, TRAIN, VALID, TRAIN, TRAIN, VALID]
    )
    assert draw_types(groups, 2, 2, 0).tolist() == [0, 1]
    with pytest.raises(InputError, match="at least 3 training samples"):
        draw_types(groups, 2, 3, 0)
    drawn = draw_samples(groups, np.array([0, 1]), 10, 0)
    assert drawn.regions.tolist() == [[0, 1], [2, 3], [6, 7], [8, 9]] and drawn.cell_type.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(("numbers", "found"), [([9, 3, 3], "found 1 cell types"), ([2], "found 0 cell types")])
def test_too_few_types_are_one_sentence(numbers, found):
    with pytest.raises(InputError) as caught:
        draw_types(many(numbers), 10, 4, 0)
    text = str(caught.value)
    assert text.startswith(f"figure2: {found} with at least 4 training samples") and "\n" not in text
    assert f"the most that a type has are {max(numbers)}" in text and "figure2.uni_modal: null" in text


def test_what_is_drawn_of_one_type_does_not_depend_on_the_others():
    groups = many([30, 30, 30])
    both = draw_samples(groups, np.array([0, 2]), 8, 3)
    (alone,) = (draw_samples(groups, np.array([2]), 8, 3).regions,)
    assert len(both) == 16 and (both.regions[8:] == alone).all()
    assert (np.diff(both.regions[:8, 0]) > 0).all()  # in their order, each once
    assert not np.array_equal(alone, draw_samples(groups, np.array([2]), 8, 4).regions)


def test_shared_regions_are_taken_out_and_the_rest_is_cut_anew():
    """Within a stretch only, without a remainder; what types share that are not drawn does not count."""
    groups = groups_of(
        [[0, 1], [2, 3], [5, 6], [10, 11], [1, 4], [6, 7], [8, 9], [0, 12]],
        [0, 0, 0, 0, 1, 1, 1, 2],
        block=[0, 0, 0, 1, 2, 2, 2, 3],
    )
    specific = draw_specific(groups, np.array([0, 1]), 9, 1, 0)
    # of type 0 the regions 1 and 6 are shared: 0, 2, 3, 5 stay; of type 1 4, 7, 8, 9
    assert specific.regions.tolist() == [[0, 2], [3, 5], [10, 11], [4, 7], [8, 9]]
    assert specific.cell_type.tolist() == [0, 0, 0, 1, 1]
    fewer = draw_specific(groups, np.array([0, 1]), 9, 3, 0)
    assert fewer.regions.tolist() == [[0, 2], [3, 5], [10, 11]]  # type 1 has too few of them
    with_third = draw_specific(groups, np.array([0, 1, 2]), 9, 1, 0)
    assert 0 not in with_third.regions and with_third.regions[:2].tolist() == [[2, 3], [10, 11]]
    none = draw_specific(groups_of([[0, 1], [0, 1]], [0, 1]), np.array([0, 1]), 9, 1, 0)
    assert none.regions.shape == (0, 2) and len(none) == 0


def test_regions_of_one_type_alone_in_random_corpora():
    generator = np.random.default_rng(0)
    parts = [np.sort(generator.choice(300, 120, replace=False)).reshape(-1, 4) for _ in range(3)]
    groups = groups_of(np.concatenate(parts), np.repeat(range(3), 30))
    specific = draw_specific(groups, np.arange(3), 500, 1, 0)
    held = [set(part.ravel()) for part in parts]
    for t in range(3):
        mine = specific.regions[specific.cell_type == t].ravel()
        others = set().union(*(held[other] for other in range(3) if other != t))
        alone = sorted(held[t] - others)
        assert mine.tolist() == alone[: len(alone) // 4 * 4] and len(mine) > 8


def embeddings():
    drawn, specific = many([3, 2]), many([2, 0])
    return Embeddings(
        np.array(["A", "B b"]), np.array([3, 2]), Drawn(drawn.regions, drawn.cell_type),
        Drawn(specific.regions, specific.cell_type), np.ones((5, 4), np.float32), np.zeros((2, 4), np.float32),
    )  # fmt: skip


def test_embeddings_come_back(tmp_path):
    embeddings().save(tmp_path / "x.npz")
    again = Embeddings.load(tmp_path / "x.npz")
    for name in ("names", "available", "values", "specific_values"):
        assert np.array_equal(getattr(again, name), getattr(embeddings(), name)), name
    assert (again.drawn.regions == embeddings().drawn.regions).all() and len(again.specific) == 2
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"array", None])
def test_other_files_are_one_sentence(tmp_path, content):
    path = tmp_path / "x.npz"
    if content is None:
        np.savez(path, values=np.ones(3))
    elif content == b"array":
        with path.open("wb") as handle:
            np.save(handle, np.ones(3))
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.npz: not a file of embeddings \(.*run the rule `embed` again"):
        Embeddings.load(path)
