import numpy as np
import pytest

from hyperseg_tf.pipelines import advice


def test_weights_are_the_median_share_by_the_share():
    weights = advice.class_weights(np.array([800, 0, 100, 200]))
    np.testing.assert_allclose(weights, [0.25, 0, 2, 1])
    assert advice.class_weights(np.zeros(3)).tolist() == [0, 0, 0]


def test_a_class_alone_gets_no_weight():
    assert advice.of_weights(("a", "b"), np.array([7, 0])) == []
    (line,) = advice.of_weights(("a", "b", "c"), np.array([1, 0, 3]))
    assert line.endswith("a 2, c 0.667")


def test_pictures_smaller_than_the_crop_are_counted():
    lines = advice.of_sizes("train", [(7, 40), (50, 9), (50, 50)] * 2, (10, 30), 4)
    assert "3 sizes from 7x40 to 50x50, 2 of 7x40" in lines[0]
    assert "train: 4 of 6 pictures are smaller than the crop of 10x30" in lines[1]
    assert "a batch of 4 crops of 10x30" in lines[2] and "14.4 kB" in lines[2]


def test_sizes_that_differ_are_validated_one_by_one():
    lines = advice.of_sizes("val", [(7, 40)] * 4 + [(50, 9)], (10, 30), 4)
    assert any("keep evaluate_batch_size=1" in line for line in lines)
    assert not any("crop" in line or "few" in line for line in lines)


@pytest.mark.parametrize("count, few", [(4, True), (5, False)])
def test_a_handful_of_pictures_is_called_few(count, few):
    lines = advice.of_sizes("val", [(7, 40)] * count, None, None)
    assert any("few samples" in line for line in lines) == few


def test_what_does_not_fit_in_the_cache_is_said():
    lines = advice.of_sizes("val", [(1000, 1000)] * 300, None, None)
    assert "1.2 GB decoded, too large to keep by default in memory" in lines[-1]
