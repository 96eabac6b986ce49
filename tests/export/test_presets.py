"""Every architecture goes into every format; the gate compares each file."""

import pytest

from hyperseg_tf import HyperSeg, export
from hyperseg_tf.presets.lite import LITE
from hyperseg_tf.presets.published import PUBLISHED
from tests.calibrated import calibrate, pictures


@pytest.fixture
def model(request):
    """A network with running statistics of real activations."""
    model = HyperSeg.from_preset(request.param)
    calibrate(model, pictures(2, 128, 128))
    # Weaker kernels: random ones magnify rounding from level to level.
    for weight in model.weights:
        if "weights_" in weight.path:
            weight.assign(0.3 * weight)
    return model


# In `make test-slow`; the others are in `make test-grid` alone, a minute each. TFLite's
# converter takes 6 GB for the largest.
_IN_CI = {
    ("hyperseg_s_cityscapes", "tflite"),
    ("hyperseg_s_camvid", "onnx"),
    ("hyperseg_s_lite0", "openvino"),
}


def _cases():
    for preset in (*PUBLISHED, *LITE):
        for name in ("tflite", "onnx", "openvino"):
            mark = "slow" if (preset.name, name) in _IN_CI else "grid"
            yield pytest.param(preset.name, name, marks=getattr(pytest.mark, mark))


@pytest.mark.parametrize(("model", "name"), list(_cases()), indirect=["model"])
def test_an_architecture_exports(model, name, tmp_path):
    out = export.write(model, name, tmp_path / "out", size=(97, 131))
    assert (out / "parity.json").exists()
