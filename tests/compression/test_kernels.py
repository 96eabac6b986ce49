import keras
import pytest

from hyperseg_tf.compression.kernels import kernels
from tests.tiny_segmenter import random_hyperseg


@pytest.fixture(scope="module")
def model():
    return random_hyperseg()


@pytest.mark.slow
def test_kernels_of_products_are_found_and_nothing_else(model):
    found = {kernel.name for kernel in kernels(model)}
    assert {"stem_conv", "block1a_se_reduce", "top_conv", "down0_conv"} <= found
    assert {f"weights_{i}" for i in range(5)} <= found
    assert not [name for name in found if "dwconv" in name or "bn" in name]
    dense = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="d")])
    (kernel,) = kernels(dense)
    assert kernel.size == 12 and kernel.variable is dense.layers[0].kernel


@pytest.mark.slow
def test_a_folded_model_has_the_same_kernels(model):
    folded = kernels(model.fold())
    shapes = [tuple(k.variable.shape) for k in kernels(model)]
    assert sorted(tuple(k.variable.shape) for k in folded) == sorted(shapes)
    assert len({kernel.name for kernel in folded}) == len(folded)


def test_small_kernels_are_left_out(model):
    sizes = {kernel.size for kernel in kernels(model)}
    assert min(sizes) < 1000 <= min(kernel.size for kernel in kernels(model, 1000))
    assert 1536 in {kernel.size for kernel in kernels(model, 1536)}
