"""What every layer that is taken as a transform must do, whosever it is."""

import numpy as np
import tensorflow as tf

from hyperseg_tf.pipelines import KerasLayer


def scene():
    """A bright square where the label says 1, some of it void, on 30."""
    label = np.zeros((31, 45), np.uint8)
    label[8:22, 12:33] = 1
    image = np.where(label[..., None] == 1, 220, 30).astype(np.uint8)
    label[8:11, 12:15] = 255
    image = np.repeat(image, 3, axis=2)
    return {"image": tf.constant(image), "label": tf.constant(label)}


def check_in_step(layer, fills: bool, varies: bool = True) -> None:
    """Image and label move together, and what is filled is void.

    Args:
        fills: Whether what lies outside is one colour.
        varies: Whether the layer draws.
    """
    transform = tf.function(KerasLayer(layer))
    looks = set()
    for n in range(6):
        out = {k: v.numpy() for k, v in transform(scene(), tf.constant([3, n])).items()}
        image, label = out["image"][..., 0].astype(int), out["label"]
        assert out["image"].dtype == label.dtype == np.uint8
        assert image.shape == label.shape and set(np.unique(label)) <= {0, 1, 255}
        known = label != 255
        assert ((image > 125) == (label == 1))[known].mean() > 0.93
        if fills:
            filled = image == getattr(layer, "fill_value", 0)
            assert (label[filled] == 255).sum() >= 0.9 * filled.sum()
        looks.add(label.tobytes())
    assert len(looks) > 1 or not varies


def check_colours(layer) -> None:
    """The image changes, the label does not."""
    transform, sample = KerasLayer(layer), scene()
    noise = np.random.default_rng(0).integers(0, 256, (31, 45, 3)).astype(np.uint8)
    sample["image"] = tf.constant(noise)
    outs = [transform(sample, tf.constant([5, n])) for n in range(6)]
    assert any((out["image"].numpy() != noise).any() for out in outs)
    for out in outs:
        np.testing.assert_array_equal(out["label"], sample["label"])
