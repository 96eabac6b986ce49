import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf.ops import patches, resize


def _padded(shape, halo):
    rng = np.random.default_rng(0)
    size = (shape[0], shape[1] + 2 * halo, shape[2] + 2 * halo, shape[3])
    return rng.normal(size=size).astype("float32")


@pytest.mark.parametrize(
    ("shape", "grid", "halo"),
    [
        ((2, 6, 15, 3), (2, 5), 1),
        ((1, 4, 4, 1), (4, 4), 1),
        ((1, 3, 5, 2), (3, 1), 2),
        ((2, 7, 6, 3), (1, 3), 0),
        ((1, 6, 3, 1), (2, 3), 3),
    ],
)
@pytest.mark.parametrize("static", [True, False])
def test_cut_takes_every_patch_with_its_halo(shape, grid, halo, static):
    x = _padded(shape, halo)
    function = patches.cut if static else _unknown(halo)
    found = np.asarray(function(x, grid, halo))
    height, width = shape[1] // grid[0], shape[2] // grid[1]
    expected = [
        image[i * height : (i + 1) * height + 2 * halo][
            :, j * width : (j + 1) * width + 2 * halo
        ]
        for image in x
        for i in range(grid[0])
        for j in range(grid[1])
    ]
    np.testing.assert_array_equal(found, np.stack(expected))


def _unknown(halo):
    """`cut` traced without knowing the height, the width or the grid."""

    def run(x, grid, _):
        signature = [
            tf.TensorSpec((None, None, None, x.shape[-1])),
            tf.TensorSpec((2,), tf.int32),
        ]
        graph = tf.function(
            lambda x, g: patches.cut(x, (g[0], g[1]), halo), input_signature=signature
        )
        return graph(x, tf.constant(grid))

    return run


def test_join_undoes_cut():
    x = _padded((2, 6, 15, 3), 0)
    joined = patches.join(patches.cut(x, (3, 5), 0), (3, 5), 2)
    np.testing.assert_array_equal(joined, x)


@pytest.mark.parametrize(
    ("mode", "numpy_mode"),
    [
        ("reflect", "reflect"),
        ("replicate", "edge"),
        ("circular", "wrap"),
        ("zeros", "constant"),
    ],
)
def test_pad_is_that_of_numpy(mode, numpy_mode):
    x = _padded((2, 4, 3, 2), 0)
    want = np.pad(x, [(0, 0), (2, 2), (2, 2), (0, 0)], numpy_mode)
    np.testing.assert_array_equal(patches.pad(x, 2, mode), want)


def test_split_weights_needs_exactly_the_kernels():
    weights = np.arange(2 * 3 * 14, dtype="float32").reshape(1, 2, 3, 14)
    first, second = patches.split_weights(weights, (2, 3), (2, 2, 2))
    assert first.shape == (6, 2, 3) and second.shape == (6, 2, 2, 2)
    np.testing.assert_array_equal(np.asarray(second)[1].ravel(), weights[0, 0, 1, 6:])
    with pytest.raises(ValueError, match="need 6 weights per patch: got 14"):
        patches.split_weights(weights, (2, 3))


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (7, 3)])
def test_upsample_is_bilinear_with_half_pixel_centres(size):
    x = _padded((2, *size, 3), 0)
    want = tf.image.resize(x, (2 * size[0], 2 * size[1]), "bilinear")
    for portable in (False, True):
        found = resize.upsample(x, portable)
        np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-6)
