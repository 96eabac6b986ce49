"""Labels in any of the forms that people have them, as one form."""

from keras import ops


def class_positions(labels, shape, void):
    """Return labels as class positions.

    Args:
        labels: Whole numbers of any dtype, classes and `void`: (B, H, W), or
            (B, H, W, 1); or one-hot (B, H, W, classes), in which a pixel without a 1 is
            void.
        shape: Of their logits, (B, H, W, classes); sizes may be None.
        void: Label value of the pixels to ignore.

    Returns:
        int32 (B, H, W), `void` where there is no class.

    Raises:
        ValueError: Labels have another shape.
    """
    classes = shape[-1]
    if len(shape) != 4 or not _fits(labels.shape, shape):
        raise ValueError(
            "labels are (B, H, W), (B, H, W, 1) or one-hot (B, H, W, classes), of the "
            f"size of the logits (B, H, W, classes): got {tuple(labels.shape)} and "
            f"{tuple(shape)}."
        )
    if len(labels.shape) == 3:
        return ops.cast(labels, "int32")
    if labels.shape[-1] == 1:
        return ops.cast(ops.squeeze(labels, -1), "int32")
    labels = ops.cast(labels, "float32")  # not every backend compares booleans
    found = ops.cast(ops.argmax(labels, axis=-1), "int32")
    there = ops.any(ops.greater(labels, 0), axis=-1)
    return ops.where(there, found, void) if classes > 1 else found


def _fits(labels, shape) -> bool:
    """Whether labels of this shape can be those of the logits, unknown sizes apart."""
    sides = zip(labels[:3], shape[:3], strict=False)
    same = all(None in pair or pair[0] == pair[1] for pair in sides)
    last = len(labels) == 3 or (len(labels) == 4 and labels[3] in (1, shape[3]))
    return same and last
