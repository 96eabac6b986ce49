import math
import warnings

import pytest
from PIL import Image

from hyperseg_tf.training.curve import draw_curve


def test_curve_survives_gaps(tmp_path):
    rows = [
        {"epoch": 1, "loss": 2.0, "val_loss": math.inf, "val_miou": 0.0},
        {"epoch": 2, "loss": 1.0, "val_loss": math.nan, "val_miou": 0.3},
    ]
    draw_curve(rows, tmp_path / "curve.png", {"epoch": 2, "val_miou": 0.3})
    assert Image.open(tmp_path / "curve.png").size[0] > 500


def test_every_class_name_can_be_drawn(tmp_path):
    row = {"epoch": 1, "loss": 2.0, "val_loss": 1.0, "val_miou": 0.2, "lr": 1e-3}
    names = ("_hidden", "$x^{", "a" * 300, "absent")
    row |= {f"iou/{name}": 0.1 for name in names} | {"iou/absent": math.nan}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_curve([row], tmp_path / "curve.png", {"epoch": 1, "val_miou": 0.2})
    width, height = Image.open(tmp_path / "curve.png").size
    assert width > 900 and height > 600


@pytest.mark.slow
def test_before_an_epoch_is_kept_there_is_a_curve(tmp_path):
    rows = [{"epoch": 1, "loss": 2.0, "val_loss": 1.0, "val_miou": 0.2}]
    draw_curve(rows, tmp_path / "curve.png")
    assert Image.open(tmp_path / "curve.png").size[0] > 500
