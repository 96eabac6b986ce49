"""Transforms one after another, with every pixel computed once."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from hyperseg_tf.pipelines.transforms.cutmix import CutMix
from hyperseg_tf.pipelines.transforms.transform import Tensors, Transform
from hyperseg_tf.pipelines.transforms.view import Geometric, View

# Another sample of the data, random from a seed.
Another = Callable[[tf.Tensor], Tensors]


def compose(
    transforms: Sequence[Transform], another: Another | None = None
) -> Callable[[Tensors, tf.Tensor], Tensors]:
    """All transforms as one function of a sample and its seed.

    Transform number i is given `stateless_fold_in(seed, i)`. The result is that of
    calling one after the other, images to within a grey level.

    Args:
        transforms: In the order in which they are applied.
        another: Gives transforms that mix two samples the second one.

    Raises:
        ValueError: A transform mixes samples and there is no `another`.
    """
    transforms = tuple(transforms)
    if another is None and any(isinstance(t, CutMix) for t in transforms):
        raise ValueError(
            "CutMix needs another sample: use it in pipelines.batches, or give "
            "compose(another=...)."
        )

    def apply(sample: Tensors, seed: tf.Tensor, end: int = len(transforms)) -> Tensors:
        view = None
        for i, transform in enumerate(transforms[:end]):
            key = tf.random.experimental.stateless_fold_in(seed, i)
            if isinstance(transform, Geometric):
                view = transform.view(View.of(sample) if view is None else view, key)
                continue
            if view is not None:
                sample, view = view.sample(), None
            if isinstance(transform, CutMix):
                sample = transform.mix(sample, partner(i), key)
            else:
                sample = transform(sample, key)
        return sample if view is None else view.sample()

    def partner(end: int) -> Callable[[tf.Tensor], Tensors]:
        """Another sample, as the transforms before number `end` leave it."""

        def make(seed: tf.Tensor) -> Tensors:
            key = tf.random.experimental.stateless_fold_in(seed, len(transforms))
            return apply(another(key), seed, end)

        return make

    return apply
