import numpy as np
import pytest
from PIL import Image

from hyperseg_tf import visualise


def test_confusion_png_is_written_without_a_display(tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    matrix = np.array([[8, 2, 0], [0, 0, 0], [1, 0, 9]])
    path = tmp_path / "new" / "confusion.png"
    visualise.confusion_png(
        path, matrix, ["sky", "$x_", "car"], [0.7, float("nan"), 0.9], "camvid"
    )
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert min(pixels.shape[:2]) > 300
    # Dark blue where the diagonal is: more blue than red.
    assert (pixels[..., 2] - pixels[..., 0] > 60).mean() > 0.02
    assert [entry.name for entry in path.parent.iterdir()] == ["confusion.png"]


def test_confusion_png_checks_its_arguments(tmp_path):
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        visualise.confusion_png(tmp_path / "x.png", np.zeros((3, 3)), ["a", "b"])
