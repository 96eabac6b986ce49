import keras
import numpy as np
import pytest

from hyperseg_tf import load
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.compression.clustering import cluster
from hyperseg_tf.compression.kernels import kernels
from hyperseg_tf.training.pruning import largest
from tests.tiny_segmenter import random_hyperseg

IMAGES = np.random.default_rng(0).normal(size=(1, 70, 90, 3)).astype("float32")


@pytest.fixture(scope="module")
def model():
    """With a kernel of a few zeros, too few to attract a centroid by themselves."""
    model = random_hyperseg()
    kernel = model.get_layer("context_head").get_layer("down0_conv").kernel
    values = np.asarray(kernel)
    kernel.assign(np.where(largest(values, 0.02), values, 0))
    return model


@pytest.fixture(scope="module")
def clustered(model):
    return cluster(model, 16, smallest=150_000)


@pytest.mark.slow
def test_kernels_have_few_values_near_the_folded_ones(model, clustered):
    want = {
        kernel.name: np.asarray(kernel.variable) for kernel in kernels(model.fold())
    }
    for kernel in kernels(clustered):
        values, before = np.asarray(kernel.variable), want[kernel.name]
        if kernel.size < 150_000:
            np.testing.assert_array_equal(values, before)
        else:
            assert 8 <= len(np.unique(values)) <= 16
            assert np.mean((values - before) ** 2) < 0.05 * before.var()


@pytest.mark.slow
def test_zeros_stay_and_only_the_smallest_weights_join_them(model, clustered):
    def of(model):
        (found,) = [k for k in kernels(model) if k.name == "down0_conv"]
        return np.asarray(found.variable)

    zeros, before = of(clustered) == 0, of(model.fold())
    assert zeros[before == 0].all()
    assert np.mean(before == 0) > 0.019
    assert np.abs(before[zeros]).max() < np.quantile(np.abs(before), 0.2)


@pytest.mark.slow
def test_the_result_is_a_folded_model_that_can_be_saved_and_the_source_unchanged(
    model, clustered, tmp_path
):
    before = model.get_weights()
    again = cluster(model, 16, smallest=150_000)
    for x, y in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(x, y)
    assert clustered.folded and not model.folded
    clustered.save(tmp_path / "clustered.keras")
    loaded = load(tmp_path / "clustered.keras")
    assert loaded.metadata["clusters"] == 16
    assert loaded.metadata["classes"] == model.metadata["classes"]
    for x, y in zip(loaded.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)
    got, want = (np.asarray(m(IMAGES)) for m in (loaded, model))
    assert np.abs(got - want).mean() < 0.3 * want.std()


def test_what_is_no_hyperseg_never_reaches_the_toolkit():
    dense = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    with pytest.raises(UserError, match="takes a HyperSeg.*got Sequential"):
        cluster(dense)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments, rule",
    [
        ({"clusters": 1}, "clusters must be in 2..256: got 1"),
        ({"clusters": 257}, "got 257"),
        ({"clusters": 64, "smallest": 63}, "more weights than values"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments, rule, model):
    with pytest.raises(ValueError, match=rule):
        cluster(model, **arguments)
