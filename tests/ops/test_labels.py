import numpy as np
import pytest
from keras import ops

from hyperseg_tf.ops.labels import class_positions

LABELS = np.array([[[0, 2, 255], [1, 1, 0]]], np.uint8)
ONE_HOT = np.where(
    (LABELS == 255)[..., None], 0, np.eye(3, dtype="int32")[LABELS % 255 % 3]
)


@pytest.mark.parametrize(
    "labels",
    [
        LABELS,
        LABELS[..., None],
        LABELS.astype("float32"),
        LABELS[..., None].astype("int64"),
        ONE_HOT,
        ONE_HOT.astype("float32"),
        ONE_HOT.astype(bool),
    ],
)
def test_every_form_of_labels_is_the_same_positions(labels):
    found = class_positions(ops.convert_to_tensor(labels), (1, 2, None, 3), 255)
    np.testing.assert_array_equal(found, LABELS)


@pytest.mark.parametrize("shape", [(1, 2, 4, 3), (1, 2, 3, 2), (1, 2, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="one-hot"):
        class_positions(ops.convert_to_tensor(ONE_HOT), shape, 255)
