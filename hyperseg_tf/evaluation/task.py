"""The classes that a model answers with, and those of them that count."""

from collections.abc import Sequence

import keras

from hyperseg_tf import protocols
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.inference.segmenter import class_names
from hyperseg_tf.protocols import Protocol


def model_classes(
    model: keras.Model, protocol: Protocol, data_names: Sequence[str], source: str
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names of the logits' channels and the indices that count.

    A model with void as one class more than the protocol counts is welcome: where it
    says void on a labelled pixel, that is a miss.
    """
    wanted = protocol.model_classes(data_names)
    counted = tuple(range(len(wanted)))
    channels = model.output_shape[-1]
    names = class_names(model)
    if names is None:
        names = [*wanted, "void"] if channels == len(wanted) + 1 else list(wanted)
    for accepted in (list(wanted), [*wanted, "void"]):
        if protocols.same_classes(names, accepted) and channels == len(accepted):
            return tuple(accepted), counted
    if protocols.same_classes(names, wanted):
        what = f"{channels} output channels instead of {len(wanted)}"
    else:
        what = protocols.difference(names, wanted)
    raise UserError(
        "a model is scored on the classes it was trained for: "
        f"{source} has {what}; evaluate it on data with its classes or train on these."
    )
