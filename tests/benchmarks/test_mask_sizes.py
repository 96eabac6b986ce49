import sys

import numpy as np
import pytest
from PIL import Image

from benchmarks import mask_sizes
from hyperseg_tf import export
from tests.tiny_segmenter import by_brightness


@pytest.mark.slow
def test_every_way_is_counted_for_every_picture(tmp_path, monkeypatch, capsys):
    out = export.write(by_brightness(), out=tmp_path / "export", verify=False)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name, level in (("a.png", 0), ("b.jpg", 255), ("c.png", 255)):
        Image.fromarray(np.full((20, 30, 3), level, np.uint8)).save(pictures / name)
    (pictures / "notes.txt").write_text("no picture")
    monkeypatch.setattr(sys, "argv", ["mask_sizes", str(out), str(pictures)])
    mask_sizes.main()
    text = capsys.readouterr().out
    assert "3 pictures, 600 pixels" in text and "serve_png, gRPC" in text
    found = mask_sizes.measure(out, pictures)["bytes"]
    alone = found["serve_bytes, JSON, class map alone"]
    # Digits, commas within rows, brackets around rows, commas between them, the rest.
    assert alone == 600 + 20 * 29 + 20 * 2 + 19 + 4
    assert found["serve_bytes, gRPC, with its confidence"] == 600 + 4 * 600
    assert 60 < found["serve_png, gRPC"] < 200
    (pictures / "a.png").rename(tmp_path / "a.png")
    with pytest.raises(SystemExit, match="no .png"):
        mask_sizes.measure(out, out)
