"""Whether a model generates weights for its decoder, asked in one place."""

import keras

from hyperseg_tf.base.errors import UserError


def generates_weights(model: keras.Model) -> bool:
    """Whether it is a `HyperSeg` whose decoder's kernels are made for each patch."""
    preset = getattr(model, "preset", None)
    return preset is not None and preset.dynamic


def require_generated(model: keras.Model, who: str) -> None:
    """Refuse a model that generates no weights.

    Args:
        model: Any model.
        who: Shows them, as a user calls it.

    Raises:
        UserError: It has a decoder of learned kernels.
    """
    if generates_weights(model):
        return
    name = getattr(getattr(model, "preset", None), "name", model.name)
    raise UserError(
        f"{who} shows generated weights: the decoder of {name} has learned kernels and "
        "nothing to show; take a preset with a hypernetwork."
    )
