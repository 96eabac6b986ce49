"""What may travel with a model: its classes, their colours, how it was trained.

It comes from a file as often as from training, and is printed, drawn and exported.
"""

import json
from collections.abc import Mapping

from hyperseg_tf.base.text import is_short_line, shortened

# Of all of it as JSON; the facts of a run are some kilobytes.
LARGEST_BYTES = 1_000_000


def check_metadata(metadata: Mapping, num_classes: int) -> None:
    """Raise `ValueError` unless `metadata` can be saved and shown.

    Args:
        metadata: By name: "classes" is a list of a name per class, short printable
            text; "colours" a list of red, green, blue of 0..255 per class, or None in
            place of one; everything else is JSON of any kind.
        num_classes: Channels of the logits.
    """
    try:
        size = len(json.dumps(metadata, allow_nan=True))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"metadata are values of JSON by name: got others ({shortened(error)})."
        ) from None
    if not isinstance(metadata, Mapping) or size > LARGEST_BYTES:
        raise ValueError(
            f"metadata are values of JSON by name, {LARGEST_BYTES} bytes at most: got "
            f"a {type(metadata).__name__} of {size} bytes."
        )
    classes, colours = metadata.get("classes"), metadata.get("colours")
    _check_list("classes", "names", classes, num_classes)
    _check_list("colours", "colours", colours, num_classes)
    for name in classes or ():
        if not is_short_line(name):
            raise ValueError(
                f"a class has a short printable name: got {shortened(name)}."
            )
    for colour in colours or ():
        if colour is not None and not _is_rgb(colour):
            raise ValueError(
                "a colour is red, green, blue of 0..255, or None: got "
                f"{shortened(colour)}."
            )


def _check_list(field, what, values, count):
    if values is None:
        return
    if not isinstance(values, list | tuple) or len(values) != count:
        got = len(values) if isinstance(values, list | tuple) else type(values).__name__
        raise ValueError(
            f"a model of {count} classes has {count} {what} in its {field}: got {got}."
        )


def _is_rgb(colour):
    return (
        isinstance(colour, list | tuple)
        and len(colour) == 3
        and all(type(value) is int and 0 <= value <= 255 for value in colour)
    )
