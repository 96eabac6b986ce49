"""The endless, repeatable stream of samples that training reads.

Sample number n of the stream belongs to pass n // N over the N samples. Its position
comes from a permutation that depends on (seed, pass) alone, its transforms draw
from (seed, n) alone: a stream that starts at n is exactly the rest of the stream
that starts at 0, whatever ran in parallel.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from os import fsencode

import numpy as np
import tensorflow as tf

from hyperseg_tf.base.errors import UserError
from pipelines.check import load_sample
from pipelines.datasets import Dataset
from pipelines.samples import Loader
from pipelines.transforms import Normalise, RandomFlip, Tensors, Transform

# Decoded sets up to this size are kept in memory unless the caller decides.
CACHE_LIMIT_BYTES = 2**30

# Keeps the seeds of order and transforms apart.
_ORDER, _TRANSFORMS = 0, 1


def batches(
    dataset: Dataset,
    transforms: Sequence[Transform] = (),
    *,
    batch_size: int,
    seed: int = 0,
    start: int = 0,
    count: int | None = None,
    shuffle: bool = True,
    drop_remainder: bool = True,
    cache: bool | None = None,
    prefetch: int = 2,
    parallel: int | None = None,
) -> tf.data.Dataset:
    """Batches of (images (B, H, W, 3) float32, labels (B, H, W) uint8).

    Images are normalised: `Normalise()` is added unless `transforms` ends in it.
    Evaluation order is `shuffle=False, count=len(dataset), drop_remainder=False`.

    Args:
        transforms: Applied in order; samples of different size need one that
            makes them equal, or `batch_size=1`.
        batch_size: Samples per batch.
        seed: Same seed, same batches.
        start: Number of the first sample; a run that consumed n samples resumes
            with `start=n`.
        count: Number of samples; None never ends.
        shuffle: New order in every pass, or the dataset's order in all.
        drop_remainder: Leave an incomplete last batch out.
        cache: Decode everything once, now, and keep it as uint8. None does so for
            sets of up to 1 GiB decoded.
        prefetch: Batches made ahead.
        parallel: Samples made at the same time; None lets tf.data tune it.

    Raises:
        ValueError: an argument out of range.
        UserError: a sample cannot be decoded while the cache is filled, or images
            differ in size in a batch of several and nothing makes them equal.
    """
    if batch_size < 1 or start < 0 or (count is not None and count < 0):
        raise ValueError(
            "batches needs batch_size >= 1, start >= 0 and count >= 0 or None: got "
            f"{batch_size=}, {start=}, {count=}."
        )
    if not len(dataset):
        raise ValueError(
            f"batches needs at least one sample: got none in {dataset.name}."
        )
    transforms = tuple(transforms)
    if not any(isinstance(transform, Normalise) for transform in transforms):
        transforms += (Normalise(),)
    if batch_size > 1 and all(
        isinstance(t, Normalise | RandomFlip) for t in transforms
    ):
        _require_one_size(dataset, batch_size)
    if cache is None:
        cache = decoded_bytes(dataset) <= CACHE_LIMIT_BYTES
    load = _cached_loader(dataset) if cache else _loader(dataset)
    transform_key = _fold(seed, _TRANSFORMS)

    def make(number: tf.Tensor, position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        sample = load(position)
        sample_key = tf.random.experimental.stateless_fold_in(transform_key, number)
        for i, transform in enumerate(transforms):
            key = tf.random.experimental.stateless_fold_in(sample_key, i)
            sample = transform(sample, key)
        return sample["image"], sample["label"]

    stream = _order(len(dataset), seed, start, count, shuffle)
    stream = stream.map(make, num_parallel_calls=parallel or tf.data.AUTOTUNE)
    stream = stream.batch(batch_size, drop_remainder=drop_remainder)
    if count is None:
        length = tf.data.INFINITE_CARDINALITY
    else:
        length = count // batch_size if drop_remainder else -(-count // batch_size)
    stream = stream.apply(tf.data.experimental.assert_cardinality(length))
    options = tf.data.Options()
    options.deterministic = True
    return stream.prefetch(prefetch).with_options(options)


def decoded_bytes(dataset: Dataset) -> int:
    """Bytes that all samples take as uint8, from the pictures' headers alone.

    Pictures that cannot be read count as nothing: `check` reports them.
    """
    return sum(4 * size[0] * size[1] for size in _sizes(dataset) if size is not None)


def _sizes(dataset: Dataset) -> list[tuple[int, int] | None]:
    return [sample.size() for sample in dataset.samples]


def _require_one_size(dataset: Dataset, batch_size: int) -> None:
    """Say before the first batch what tf.data would say, without names, later."""
    first: dict[tuple[int, int] | None, int] = {}
    for i, size in enumerate(_sizes(dataset)):
        first.setdefault(size, i)
    first.pop(None, None)
    if len(first) > 1:
        (one, a), (other, b) = list(first.items())[:2]
        raise UserError(
            f"a batch of {batch_size} needs samples of one size: found "
            f"{one[0]}x{one[1]} ({dataset[a].image_source}) and {other[0]}x{other[1]} "
            f"({dataset[b].image_source}), height x width; set the batch size to 1, or "
            "resize or crop the samples."
        )


def _order(
    length: int, seed: int, start: int, count: int | None, shuffle: bool
) -> tf.data.Dataset:
    """(number in the stream, position in the dataset), both int64 scalars."""
    order_key = _fold(seed, _ORDER)

    def one_pass(index: tf.Tensor) -> tf.data.Dataset:
        positions = tf.range(length, dtype=tf.int64)
        if shuffle:
            key = tf.random.experimental.stateless_fold_in(order_key, index)
            positions = tf.random.experimental.stateless_shuffle(positions, key)
        numbers = index * length + tf.range(length, dtype=tf.int64)
        return tf.data.Dataset.from_tensor_slices((numbers, positions))

    passes = tf.data.Dataset.range(start // length, np.iinfo(np.int64).max)
    stream = passes.flat_map(one_pass).skip(start % length)
    return stream if count is None else stream.take(count)


def _fold(seed: int, purpose: int) -> tf.Tensor:
    key = tf.constant([seed, 0], tf.int64)
    return tf.random.experimental.stateless_fold_in(key, purpose)


def _loader(dataset: Dataset) -> Loader:
    """position -> sample, decoded every time, that fits or is an error."""
    load = dataset.samples.loader()
    sources = tf.constant([fsencode(sample.label_source) for sample in dataset.samples])

    def load_fitting(position: tf.Tensor) -> Tensors:
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


def _cached_loader(dataset: Dataset) -> Loader:
    """position -> sample, a slice of one long vector of all decoded samples."""
    # Traced here, once: threads that meet an untraced function each trace it.
    load_once = tf.function(_loader(dataset)).get_concrete_function(
        tf.TensorSpec((), tf.int64)
    )

    def decode(i: int) -> Tensors:
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
    sizes = np.array([sample["label"].shape for sample in samples], np.int64)
    pixels = sizes.prod(axis=1)
    starts = tf.constant(np.concatenate([[0], np.cumsum(pixels)[:-1]]))
    sizes = tf.constant(sizes)
    with tf.device("CPU"):
        image_values = _join(sample.pop("image") for sample in samples)
        label_values = _join(sample.pop("label") for sample in samples)

    def load(position: tf.Tensor) -> Tensors:
        size, begin = sizes[position], starts[position]
        length = size[0] * size[1]
        image = tf.slice(image_values, [3 * begin], [3 * length])
        label = tf.slice(label_values, [begin], [length])
        return {
            "image": tf.reshape(image, tf.concat([size, [3]], 0)),
            "label": tf.reshape(label, size),
        }

    return load


def _join(arrays) -> tf.Tensor:
    """All values of all arrays as one vector, uint8."""
    return tf.constant(np.concatenate(list(chain(a.reshape(-1) for a in arrays))))
