"""The endless, repeatable stream of samples that training reads.

Sample number n of the stream belongs to pass n // N over the N samples. Its position
comes from a permutation that depends on (seed, pass) alone, its transforms draw
from (seed, n) alone: a stream that starts at n is exactly the rest of the stream
that starts at 0, whatever ran in parallel.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines.datasets import Dataset
from hyperseg_tf.pipelines.loading import cached_loader, loader
from hyperseg_tf.pipelines.transforms import (
    Normalise,
    RandomFlip,
    Tensors,
    Transform,
    compose,
)
from hyperseg_tf.pipelines.transforms.values import normalised

# Decoded sets up to this size are kept in memory unless the caller decides.
CACHE_LIMIT_BYTES = 2**30

# Keeps the seeds of order and transforms apart.
_ORDER, _TRANSFORMS = 0, 1

DTYPES = ("float32", "uint8")


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
    replacement: bool = False,
    dtype: str = "float32",
    part: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Batches of (images (B, H, W, 3) float32, labels (B, H, W) uint8).

    Images are normalised: `Normalise()` is added unless `transforms` ends in it. They
    are bytes until they are batched. Evaluation order is `shuffle=False,
    count=len(dataset), drop_remainder=False`.

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
        replacement: Draw every sample from all, as the released code does, instead of
            each once per pass; needs `shuffle`.
        dtype: "uint8" leaves `Normalise` out and gives images of 0..255, a quarter of
            the bytes; whoever takes them normalises (`pixels.normalise`), as on a GPU.
        part: (index, number of parts) of each batch to make, as one of several
            processes does: of B samples those from index * B / number on, so many.
            Order and transforms are those of the whole.

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
    index, parts = part
    if not 0 <= index < parts or batch_size % parts:
        raise ValueError(
            f"a batch of {batch_size} is cut into equal parts, numbered from 0: got "
            f"{part=}."
        )
    if parts > 1 and count is not None and count % batch_size:
        raise ValueError(
            f"only whole batches have parts: got {count=} for {batch_size=}."
        )
    if not len(dataset):
        raise ValueError(
            f"batches needs at least one sample: got none in {dataset.name}."
        )
    if dtype not in DTYPES:
        raise ValueError(f"dtype is one of {', '.join(DTYPES)}: got {dtype!r}.")
    if replacement and not shuffle:
        raise ValueError(
            "samples are drawn with replacement in random order only: got "
            f"{replacement=}, {shuffle=}."
        )
    transforms = tuple(transforms)
    normalise = True
    if transforms and isinstance(transforms[-1], Normalise):
        transforms = transforms[:-1]
    elif any(isinstance(transform, Normalise) for transform in transforms):
        normalise = False
        if dtype == "uint8":
            raise ValueError(
                'dtype="uint8" needs images of 0..255: got Normalise() before other '
                "transforms; put it last."
            )
    if batch_size > 1 and all(
        isinstance(t, Normalise | RandomFlip) for t in transforms
    ):
        _require_one_size(dataset, batch_size)
    if cache is None:
        cache = decoded_bytes(dataset) <= CACHE_LIMIT_BYTES
    load = cached_loader(dataset) if cache else loader(dataset)
    transform_key = _fold(seed, _TRANSFORMS)

    def another(key: tf.Tensor) -> Tensors:
        draw = tf.random.stateless_uniform((), key, 0, len(dataset), tf.int64)
        return load(draw)

    apply = compose(transforms, another)

    def make(number: tf.Tensor, position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        key = tf.random.experimental.stateless_fold_in(transform_key, number)
        sample = apply(load(position), key)
        image = sample["image"]
        if dtype == "uint8" and image.dtype != tf.uint8:
            image = tf.cast(tf.round(tf.clip_by_value(image, 0.0, 255.0)), tf.uint8)
        return image, sample["label"]

    stream = order(len(dataset), seed, start, count, shuffle, replacement)
    if parts > 1:
        size = batch_size // parts
        stream = stream.filter(
            lambda number, _: (number - start) % batch_size // size == index
        )
    stream = stream.map(make, num_parallel_calls=parallel or tf.data.AUTOTUNE)
    stream = stream.batch(batch_size // parts, drop_remainder=drop_remainder)
    if normalise and dtype == "float32":
        stream = stream.map(lambda images, labels: (normalised(images), labels))
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


def order(
    length: int,
    seed: int,
    start: int,
    count: int | None,
    shuffle: bool,
    replacement: bool = False,
) -> tf.data.Dataset:
    """(number in the stream, position in the dataset), both int64 scalars.

    Args:
        length: Samples in the dataset.
        seed: As the others, of `batches`.
        start: Number of the first sample.
        count: Number of samples; None never ends.
        shuffle: New order in every pass.
        replacement: Every position is drawn from all; there are no passes.
    """
    order_key = _fold(seed, _ORDER)

    def draw(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        key = tf.random.experimental.stateless_fold_in(order_key, number)
        return number, tf.random.stateless_uniform((), key, 0, length, tf.int64)

    if replacement:
        stream = tf.data.Dataset.range(start, np.iinfo(np.int64).max).map(draw)
        return stream if count is None else stream.take(count)

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
