"""Samples of a stream by their position: decoded every time, or once and kept."""

from concurrent.futures import ThreadPoolExecutor
from math import gcd
from os import fsencode

import numpy as np
import tensorflow as tf

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines.check import load_sample
from hyperseg_tf.pipelines.datasets import Dataset
from hyperseg_tf.pipelines.samples import Loader

# A part of a tensor that begins and ends at multiples of it is not copied.
_ALIGNED_BYTES = 64


def loader(dataset: Dataset) -> Loader:
    """position -> sample, decoded every time, that fits or is an error."""
    load = dataset.samples.loader()
    sources = tf.constant([fsencode(sample.label_source) for sample in dataset.samples])

    def load_fitting(position: tf.Tensor) -> dict[str, tf.Tensor]:
        sample = load(position)
        image, label = sample["image"], sample["label"]
        # `check` has seen to both; a file that changed since must not train as
        # another class.
        # One more than a label: bytes wrap, so void is 0 and class N - 1 is N.
        known = tf.debugging.Assert(
            tf.reduce_max(label + 1) <= len(dataset.classes),
            [
                "label value outside the classes; run hyperseg-tf data check",
                sources[position],
            ],
        )
        same = tf.debugging.Assert(
            tf.reduce_all(tf.shape(image)[:2] == tf.shape(label)),
            [
                "image and label of different size; run hyperseg-tf data check",
                sources[position],
            ],
        )
        with tf.control_dependencies([known, same]):
            return {"image": tf.identity(image), "label": tf.identity(label)}

    return load_fitting


def cached_loader(dataset: Dataset) -> Loader:
    """position -> sample, a slice of one long vector of all decoded samples."""
    # Traced here, once: threads that meet an untraced function each trace it.
    load_once = tf.function(loader(dataset)).get_concrete_function(
        tf.TensorSpec((), tf.int64)
    )

    def decode(i: int) -> dict[str, tf.Tensor]:
        try:
            sample = load_once(tf.constant(i, tf.int64))
        except tf.errors.OpError as error:
            # TensorFlow's message is a graph's; the check says it in words.
            load_sample(dataset, i)
            broken = dataset[i]
            raise UserError(
                f"{broken.image_source} or {broken.label_source}: image and label can "
                f"be decoded in the stream, too: found {type(error).__name__} there "
                "and nothing wrong outside; see that nothing else changes them."
            ) from error
        return {key: value.numpy() for key, value in sample.items()}

    with ThreadPoolExecutor() as pool:
        samples = list(pool.map(decode, range(len(dataset))))
    images = _Store([sample.pop("image") for sample in samples])
    labels = _Store([sample.pop("label") for sample in samples])
    return lambda position: {"image": images[position], "label": labels[position]}


class _Store:
    """Arrays of bytes, (H, W, ...) each of its own size, as one long vector.

    Each has as many rows more as it takes for it to begin and end at a multiple of
    `_ALIGNED_BYTES`; TensorFlow then hands out parts of the vector as they are.
    """

    def __init__(self, arrays: list[np.ndarray]):
        self._rank = arrays[0].ndim
        row_bytes = [int(np.prod(array.shape[1:])) for array in arrays]
        rows = [
            -(-len(array) // unit) * unit
            for array, n in zip(arrays, row_bytes, strict=True)
            for unit in (_ALIGNED_BYTES // gcd(n, _ALIGNED_BYTES),)
        ]
        lengths = np.array(rows, np.int64) * np.array(row_bytes, np.int64)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        values = np.zeros(starts[-1], np.uint8)
        for i, array in enumerate(arrays):
            values[starts[i] : starts[i] + array.size] = array.reshape(-1)
        sizes = np.array([array.shape for array in arrays], np.int64)
        arrays.clear()
        with tf.device("CPU"):
            self._values = tf.constant(values)
        self._starts, self._lengths = tf.constant(starts), tf.constant(lengths)
        self._sizes, self._rows = tf.constant(sizes), tf.constant(rows, tf.int64)

    def __getitem__(self, position: tf.Tensor) -> tf.Tensor:
        size = self._sizes[position]
        part = tf.slice(
            self._values, [self._starts[position]], [self._lengths[position]]
        )
        whole = tf.concat([[self._rows[position]], size[1:]], 0)
        array = tf.reshape(part, whole)[: size[0]]
        return tf.ensure_shape(array, (None, None, *(3,) * (self._rank - 2)))
