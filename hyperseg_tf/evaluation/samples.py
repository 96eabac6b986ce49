"""Pictures and labels as a protocol counts them, in batches of one size."""

from collections.abc import Iterator

import numpy as np

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.limit import Limit
from hyperseg_tf.pipelines import Dataset, load_sample
from hyperseg_tf.protocols import Protocol


def batches(
    data: Dataset, protocol: Protocol, batch_size: int, limit: Limit
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Consecutive samples of one size, together, none larger than `limit`."""
    way_out = "shrink it"
    if limit.multiple > 1:
        way_out = "give the size for the network (--size HxW)"
    images: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    has_void = protocol.has_void(data.classes.names)
    for i in range(len(data)):
        size = data[i].size()
        if size is not None and not limit.holds(*size):
            raise UserError(
                f"{data[i].image_source}: an image for the network may have {limit}: "
                f"got {size[1]}x{size[0]}; {way_out}."
            )
        sample = load_sample(data, i)
        image = sample["image"]
        source = str(data[i].label_source)
        label = protocol.label(sample["label"], source, has_void)
        if images and (len(images) == batch_size or image.shape != images[0].shape):
            yield np.stack(images), np.stack(labels)
            images, labels = [], []
        images.append(image)
        labels.append(label)
    if images:
        yield np.stack(images), np.stack(labels)
