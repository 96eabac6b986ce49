"""What the weights of a run's model are like for pictures of its training.

It goes into model.keras, where `predict --explain` finds it: so it is made whenever
that file is written, from whole pictures as validation sees them, some dozens.
"""

from collections.abc import Callable, Iterator

import keras
import numpy as np

from hyperseg_tf.inference.explain import seen_of
from hyperseg_tf.inference.seen import METADATA, PICTURES
from hyperseg_tf.inference.signals import signals_of
from hyperseg_tf.network.hypernetwork import generates_weights
from hyperseg_tf.training.devices import alone
from hyperseg_tf.training.task import Task


def describing(task: Task, model: keras.Model) -> Callable[[keras.Model], None] | None:
    """A function that writes it into this model; None without a hypernetwork."""
    if not generates_weights(model):
        return None

    # Traced once, and made with the other networks, for the variables' sake.
    with alone():
        signals = signals_of(model)

    def describe(model: keras.Model) -> None:
        with alone():
            seen = seen_of(signals, _images(task))
        metadata = {k: v for k, v in model.metadata.items() if k != METADATA}
        if seen is not None:
            metadata[METADATA] = seen.as_data()
        model.set_metadata(metadata)

    return describe


def _images(task: Task) -> Iterator[np.ndarray]:
    """Training pictures (H, W, 3) float32, normalised, the same in every epoch."""
    for image, _ in task.training_pictures(PICTURES[1]):
        yield np.asarray(image[0])
