import math

import numpy as np
import pytest
import torch

from genebert.models.losses import log_softplus, matched_retrieval, sequence_region_matching, shared_regions


def vectors(seed=0, n=5, width=7):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, width, generator=rng), torch.randn(n, width, generator=rng)


def test_infonce_by_hand():
    # cosines: [[1, 0], [0.6, 0.8]] for unit vectors along x, y and (0.6, 0.8)
    sequence = torch.tensor([[2.0, 0.0], [3.0, 4.0]])
    region = torch.tensor([[5.0, 0.0], [0.0, 1.0]])
    scale = torch.tensor(2.0)
    rows = -math.log(math.exp(2) / (math.exp(2) + 1)) - math.log(math.exp(1.6) / (math.exp(1.2) + math.exp(1.6)))
    columns = -math.log(math.exp(2) / (math.exp(2) + math.exp(1.2))) - math.log(
        math.exp(1.6) / (math.exp(0) + math.exp(1.6))
    )
    loss, accuracy = sequence_region_matching(sequence, region, "infonce", scale)
    assert loss.item() == pytest.approx((rows / 2 + columns / 2) / 2, abs=1e-6)
    assert accuracy.item() == 1


@pytest.mark.parametrize("form", ["infonce", "paper_exp", "paper_literal"])
def test_accuracy_is_the_share_of_sequences_that_find_their_matrix(form):
    sequence, region = torch.eye(4), torch.eye(4)[[0, 2, 1, 0]]
    scale = torch.tensor(2.0)
    # The first finds its own, the others the matrix of another.
    assert sequence_region_matching(sequence, region, form, scale)[1].item() == 0.25
    excluded = torch.zeros(4, 4, dtype=torch.bool)
    excluded[1, 2] = True  # the second had found this one; of the rest, all alike, its own is not the first
    excluded[1, 0] = True
    assert sequence_region_matching(sequence, region, form, scale, excluded)[1].item() == 0.5


def test_paper_forms_by_hand():
    sequence, region = vectors()
    s = (sequence @ region.T).numpy().astype(np.float64)
    expected = -math.log(np.exp(np.diag(s)).sum() / np.exp(s).sum())
    assert sequence_region_matching(sequence, region, "paper_exp")[0].item() == pytest.approx(expected, abs=1e-5)
    soft = np.log1p(np.exp(s))
    expected = -math.log(np.diag(soft).sum() / soft.sum())
    assert sequence_region_matching(sequence, region, "paper_literal")[0].item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("form", ["infonce", "paper_exp", "paper_literal"])
def test_symmetric_and_indifferent_to_the_order_of_pairs(form):
    sequence, region = vectors()
    scale = torch.tensor(5.0)
    loss = sequence_region_matching(sequence, region, form, scale)[0]
    assert torch.allclose(loss, sequence_region_matching(region, sequence, form, scale)[0], atol=1e-6)
    order = torch.tensor([3, 1, 4, 0, 2])
    assert torch.allclose(loss, sequence_region_matching(sequence[order], region[order], form, scale)[0], atol=1e-6)


def test_centred_embeddings_do_not_feel_what_all_have_in_common():
    sequence, region = vectors()
    scale = torch.tensor(3.0)
    expected = sequence_region_matching(sequence - sequence.mean(0), region - region.mean(0), "infonce", scale)[0]
    shifted = (sequence + 50, region - torch.arange(7.0) * 9)
    assert sequence_region_matching(*shifted, "infonce", scale, centre=True)[0] == pytest.approx(
        expected.item(), abs=1e-4
    )
    assert sequence_region_matching(*shifted, "infonce", scale)[0] != pytest.approx(expected.item(), abs=1e-2)


@pytest.mark.parametrize("centre", [True, False])
@pytest.mark.parametrize("noise", [0, 1e-6])
def test_equal_embeddings_give_a_finite_gradient(centre, noise):
    """Also where they are equal but for rounding, which centring would blow up to directions of their own."""
    sequence, region = ((1 + noise * v).requires_grad_() for v in vectors(n=4))
    loss, _ = sequence_region_matching(sequence, region, "infonce", torch.tensor(10.0), centre=centre)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(4), abs=1e-5)
    assert torch.isfinite(sequence.grad).all() and sequence.grad.abs().max() < 1e4


def test_shared_regions():
    regions = torch.tensor([[1, 2, 3], [3, 4, 5], [6, 7, 8], [8, 9, 1]])
    expected = torch.zeros(4, 4, dtype=torch.bool)
    for i, j in ((0, 1), (2, 3), (0, 3)):
        expected[i, j] = expected[j, i] = True
    assert torch.equal(shared_regions(regions), expected)


@pytest.mark.parametrize("form", ["infonce", "paper_exp", "paper_literal"])
def test_duplicates_are_no_negatives(form):
    """A batch with a copied sample has the loss of the batch in which the copies do not see each other."""
    sequence, region = vectors(n=4)
    sequence[3], region[3] = sequence[0], region[0]
    regions = torch.tensor([[0, 1], [2, 3], [4, 5], [0, 1]])
    scale = torch.tensor(3.0)
    loss, _ = sequence_region_matching(sequence, region, form, scale, shared_regions(regions))
    s = (sequence @ region.T).double()
    if form == "infonce":
        s = (torch.nn.functional.normalize(sequence) @ torch.nn.functional.normalize(region).T).double() * 3
    value = {"infonce": torch.exp, "paper_exp": torch.exp, "paper_literal": torch.nn.functional.softplus}[form](s)
    value[0, 3] = value[3, 0] = 0
    if form == "infonce":
        expected = -(
            torch.log(value.diagonal() / value.sum(1)).mean() + torch.log(value.diagonal() / value.sum(0)).mean()
        )
        expected = expected / 2
    else:
        expected = -torch.log(value.diagonal().sum() / value.sum())
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    assert torch.isfinite(loss)


def test_gradient_is_finite_with_excluded_pairs():
    sequence, region = (v.requires_grad_() for v in vectors(n=3))
    excluded = torch.tensor([[False, True, True], [True, False, True], [True, True, False]])
    for form in ("infonce", "paper_exp", "paper_literal"):
        loss, _ = sequence_region_matching(sequence, region, form, torch.tensor(10.0), excluded)
        loss.backward()
        assert torch.isfinite(sequence.grad).all()


def test_log_softplus_is_exact_and_finite():
    scores = torch.tensor([-1e4, -300.0, -104.0, -20.1, -20.0, -3.0, 0.0, 5.0, 90.0])
    exact = np.log(np.logaddexp(0, scores.double().numpy(), dtype=np.longdouble))
    assert log_softplus(scores).numpy()[3:] == pytest.approx(exact[3:].astype(float), abs=1e-6)
    assert log_softplus(scores)[:3].tolist() == scores[:3].tolist()


@pytest.mark.parametrize("size", [30.0, 1e3])
def test_paper_literal_is_finite_where_inner_products_are_far_below_zero(size):
    """Softplus of -104 is 0 in float32: the ratio of Eq. 3 would be 0 / 0, or its logarithm infinite."""
    sequence = torch.full((3, 4), size, requires_grad=True)
    region = torch.full((3, 4), -size, requires_grad=True)
    loss, _ = sequence_region_matching(sequence, region, "paper_literal", excluded=torch.zeros(3, 3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(3), abs=1e-5)  # all pairs alike
    assert torch.isfinite(sequence.grad).all() and torch.isfinite(region.grad).all()


def test_matched_and_swapped_retrieval_by_hand():
    sequence = torch.eye(3)
    region = torch.eye(3) * torch.tensor([3.0, 1.0, 2.0])[:, None]
    # The first scores its own above its decoys, the second below one, the third as high as one.
    decoys = torch.zeros(3, 2, 3)
    decoys[0, :, 0] = torch.tensor([2.0, 1.0])
    decoys[1, :, 1] = torch.tensor([0.5, 4.0])
    decoys[2, :, 2] = torch.tensor([-1.0, 2.0])
    matched, swapped = matched_retrieval(sequence, region, decoys, "paper_exp")
    assert matched.item() == pytest.approx((1 + 0 + 0.5) / 3)
    # First decoys, 2, 0.5 and -1, against others' matrices, which score 0.
    assert swapped.item() == pytest.approx(2 / 3)
    excluded = torch.zeros(3, 3, dtype=torch.bool)
    excluded[2, :2] = True  # nothing is left to be above the third's
    assert matched_retrieval(sequence, region, decoys, "paper_exp", excluded)[1].item() == 1


def test_cosines_of_decoys_are_taken_as_those_of_matrices():
    sequence, region = vectors()
    decoys = torch.stack([region.roll(1, 0), region.roll(2, 0)], 1)
    for centre in (True, False):
        matched, swapped = matched_retrieval(sequence, region, decoys, "infonce", centre=centre)
        a, b = ((v - v.mean(0) if centre else v) for v in (sequence, region))
        cosines = torch.nn.functional.normalize(a) @ torch.nn.functional.normalize(b).T
        own, first, second = (cosines[range(5), [(i - k) % 5 for i in range(5)]] for k in range(3))
        assert matched.item() == pytest.approx(((own > first) & (own > second)).float().mean().item())
        cosines.diagonal().copy_(first)
        assert swapped.item() == pytest.approx((cosines.argmax(1) == torch.arange(5)).float().mean().item())
