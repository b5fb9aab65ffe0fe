import pytest
import torch

from genebert.errors import InputError
from genebert.models.regions import RegionTransformer, build_region_encoder, fold, resize

SMALL_SWIN = {"embed_dim": 24, "depths": (1, 1, 1, 1), "num_heads": (1, 2, 4, 8)}


@pytest.mark.parametrize(("n_tfs", "size", "rows"), [(579, 224, 3), (579, 384, 2), (224, 224, 1), (100, 224, 1)])
def test_fold_loses_nothing(n_tfs, size, rows):
    matrix = torch.randn(2, 10, n_tfs)
    image = fold(matrix, size)
    assert image.shape == (2, 1, size, size)
    repeat = size // (10 * rows)
    # undo it: one row of each repeated stack, without padding
    unfolded = image[:, 0, : 10 * rows * repeat : repeat].reshape(2, 10, rows * size)[..., :n_tfs]
    assert torch.equal(unfolded, matrix)
    assert image.count_nonzero() == repeat * matrix.numel()


def test_fold_of_too_large_a_matrix():
    with pytest.raises(InputError, match=r"40 x 2000 matrix has 360 rows of 224 values and does not fit"):
        fold(torch.zeros(1, 40, 2000), 224)


def test_bilinear_resize_reads_at_most_448_columns():
    """FACTS K.12: why fold is the default; the antialiased form reads all of them."""
    matrix = torch.zeros(1, 10, 579, requires_grad=True)
    for antialias, read in ((False, 448), (True, 579)):
        (gradient,) = torch.autograd.grad(resize(matrix, 224, antialias=antialias).sum(), matrix)
        columns = (gradient[0].abs().sum(0) > 1e-6).sum()
        assert columns <= read
        assert bool(columns == 579) is antialias


@pytest.mark.parametrize("image", ["fold", "resize", "area"])
def test_small_swin(image):
    encoder = build_region_encoder("swin-t-224", image, None, SMALL_SWIN, 579, 10)
    assert encoder.width == 192
    assert encoder(torch.randn(2, 10, 579)).shape == (2, 192)


def test_region_transformer_sees_every_value_and_the_order_of_regions():
    torch.manual_seed(0)
    encoder = RegionTransformer(30, 10, layers=2, hidden=32, heads=4).eval()
    matrix = torch.randn(1, 10, 30, requires_grad=True)
    encoder(matrix)[0, 0].backward()
    assert (matrix.grad != 0).all()
    with torch.no_grad():
        assert not torch.allclose(encoder(matrix), encoder(matrix.flip(1)), atol=1e-4)


def test_bad_names():
    with pytest.raises(InputError, match=r"found 'swin', expected one of swin-t-224, region-transformer"):
        build_region_encoder("swin", "fold", None, {}, 579, 10)
    with pytest.raises(InputError, match="has no weights, expected null"):
        build_region_encoder("region-transformer", "fold", "file", {}, 579, 10)
    with pytest.raises(InputError, match="expected fold, resize or area"):
        build_region_encoder("swin-t-224", "stretch", None, SMALL_SWIN, 579, 10)


@pytest.fixture(scope="module")
def image_net_weights(tmp_path_factory):
    """A checkpoint of the published form (three colours, a head of 1,000 classes) for a small Swin."""
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(1)
    model = timm.create_model("swin_tiny_patch4_window7_224.ms_in1k", pretrained=False, **SMALL_SWIN)
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    save_file(model.state_dict(), path)
    return path, model


def test_weights_from_a_file(image_net_weights):
    path, published = image_net_weights
    encoder = build_region_encoder("swin-t-224", "fold", path, SMALL_SWIN, 579, 10)
    state = encoder.backbone.state_dict()
    # one channel, its weights summed over colours: the same as the grey image three times
    assert torch.allclose(state["patch_embed.proj.weight"][:, 0], published.patch_embed.proj.weight.sum(1), atol=1e-6)
    assert torch.equal(state["layers.0.blocks.0.mlp.fc1.weight"], published.layers[0].blocks[0].mlp.fc1.weight)
