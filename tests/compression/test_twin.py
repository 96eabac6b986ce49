import numpy as np
import pytest

from hyperseg_tf import HyperSeg
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.compression.toolkit import toolkit
from hyperseg_tf.compression.twin import backbone_of, twin

IMAGES = np.random.default_rng(0).normal(size=(1, 64, 96, 3)).astype("float32")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "padding"),
    [
        ("hyperseg_tiny", "static"),
        ("hyperseg_tiny", "same"),
        ("hyperseg_s_lite0", "static"),
    ],
)
def test_the_twin_computes_the_same_features(preset, padding):
    toolkit()  # settles what tf.keras is before tf_keras is imported
    model = HyperSeg.from_preset(preset, backbone_padding=padding)
    backbone = backbone_of(model.fold("slices"))
    wanted, found = backbone(IMAGES), twin(backbone)(IMAGES)
    assert len(found) == 6
    for a, b in zip(wanted, found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * np.std(a))


def test_another_backbone_is_refused_by_name():
    toolkit()
    model = HyperSeg.from_preset("hyperseg_tiny")
    with pytest.raises(UserError, match="EfficientNet: got.*a Batch.*export int8"):
        twin(backbone_of(model))  # not folded
