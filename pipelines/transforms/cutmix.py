"""A part of another sample in this one."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from hyperseg_tf.pipelines.transforms.cutout import rectangle
from hyperseg_tf.pipelines.transforms.transform import (
    Tensors,
    check_probability,
    check_range,
)


@dataclass(frozen=True)
class CutMix:
    """Show another sample of the data in a rectangle, its label, too.

    The rectangle has the sample's proportions and `minimum`..`maximum` of its area, at
    an even random place. The other sample is drawn evenly from the data and goes
    through the transforms before this one with a seed of its own, so that sample n of a
    stream still follows from n and the seed alone. It must have the size of the first
    after these: put a crop before.

    Args:
        minimum: Smallest share of the area.
        maximum: Largest share of the area.
        p: Probability of mixing at all; the other sample is read only then.
    """

    minimum: float = 0.1
    maximum: float = 0.5
    p: float = 0.5

    def __post_init__(self):
        check_range(self, 0, 1)
        check_probability(self)

    def __call__(self, sample: Tensors, seed: tf.Tensor) -> Tensors:
        """Refuse: one sample is not enough."""
        raise ValueError(
            "CutMix needs another sample: use it in pipelines.batches, or call mix()."
        )

    def mix(
        self, sample: Tensors, partner: Callable[[tf.Tensor], Tensors], seed: tf.Tensor
    ) -> Tensors:
        """Sample of the same size; `partner(seed)` gives the other one."""
        keys = [tf.random.experimental.stateless_fold_in(seed, i) for i in (0, 1)]
        draws = tf.random.stateless_uniform((4,), keys[0])
        share = self.minimum + draws[1] * (self.maximum - self.minimum)

        def mixed():
            other = partner(keys[1])
            inside = rectangle(tf.shape(sample["label"]), share, share, draws[2:])
            # Another size is an error here, not a picture stretched.
            return (
                tf.where(inside[..., None], other["image"], sample["image"]),
                tf.where(inside, other["label"], sample["label"]),
            )

        image, label = tf.cond(
            draws[0] < self.p, mixed, lambda: (sample["image"], sample["label"])
        )
        image = tf.ensure_shape(image, sample["image"].shape)
        label = tf.ensure_shape(label, sample["label"].shape)
        return {**sample, "image": image, "label": label}
