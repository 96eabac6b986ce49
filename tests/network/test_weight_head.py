import keras
import numpy as np
import pytest

from hyperseg_tf.network.weight_head import WeightHead


def _head(units, groups, offset, channels):
    head = WeightHead(units, groups, offset, channels)
    head.build((None, None, None, 16))
    return head


def test_is_a_grouped_product_of_its_slice():
    head = _head(units=6, groups=2, offset=4, channels=8)
    signal = np.random.default_rng(0).normal(size=(2, 3, 5, 16)).astype("float32")
    kernel = np.asarray(head.kernel)
    expected = np.concatenate(
        [signal[..., 4:8] @ kernel[:, :3], signal[..., 8:12] @ kernel[:, 3:]], axis=-1
    )
    np.testing.assert_allclose(head(signal), expected, rtol=1e-5, atol=1e-6)


def test_each_group_sees_only_its_own_slice():
    head = _head(units=6, groups=2, offset=0, channels=8)
    signal = np.random.default_rng(0).normal(size=(1, 3, 5, 16)).astype("float32")
    expected = np.asarray(head(signal))
    signal[..., 4:] = 0  # the second slice and all behind it
    found = np.asarray(head(signal))
    np.testing.assert_array_equal(found[..., :3], expected[..., :3])
    np.testing.assert_array_equal(found[..., 3:], np.zeros_like(found[..., 3:]))


def test_rounds_up_to_the_groups_and_cuts_the_surplus():
    head = _head(units=7, groups=4, offset=0, channels=8)
    assert head.kernel.shape == (2, 8)
    assert head(np.ones((1, 2, 2, 16), "float32")).shape == (1, 2, 2, 7)


def test_the_generated_weights_start_with_the_variance_their_fan_in_needs():
    keras.utils.set_random_seed(0)
    head = WeightHead(4000, 4, 0, 64, fan_ins=((2000, 10), (2000, 90)))
    rng = np.random.default_rng(0)
    # A rectified unit normal has a mean square of 1/2, as behind BN and ReLU.
    signal = np.maximum(rng.normal(size=(1, 8, 8, 64)), 0).astype("float32")
    weights = np.asarray(head(signal))
    for part, fan_in in ((weights[..., :2000], 10), (weights[..., 2000:], 90)):
        np.testing.assert_allclose(np.mean(part**2), 2 / fan_in, rtol=0.1)


def test_slices_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="groups=3 must divide channels=8"):
        WeightHead(6, 3, 0, 8)
    with pytest.raises(ValueError, match="channels 12 to 20 are not in a signal of 16"):
        _head(6, 2, 12, 8)
