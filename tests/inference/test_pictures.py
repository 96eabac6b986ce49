from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.inference.pictures import find, outputs, read_picture, write_png
from tests.inference.picture_files import picture, save


def test_every_picture_is_found_once_and_what_is_missing_is_told(tmp_path):
    for name in ("x/a.png", "x/deep/b.TIFF", "y/a.webp", "y/.hidden/c.png"):
        save(tmp_path / name, picture(), format="PNG")
    save(tmp_path / "x/classes/a.png", picture())  # an earlier result
    (tmp_path / "empty").mkdir()
    errors = []
    inputs = [tmp_path / name for name in ("x", "empty", "y", "x/a.png", "none.png")]
    found = list(find(inputs, tmp_path / "x", errors))
    assert [(str(p.relative_to(tmp_path)), str(name)) for p, name in found] == [
        ("x/a.png", "x/a.png"),
        ("x/deep/b.TIFF", "x/deep/b.TIFF"),
        ("y/a.webp", "y/a.webp"),
    ]
    assert len(errors) == 2
    assert "empty" in errors[0] and "none.png: no such file" in errors[1]


def test_names_of_results_differ_and_are_no_inputs(tmp_path):
    wanted = [
        ("1/a.png", "a.png", "a.png"),
        ("1/A.bmp", "A.bmp", "A.bmp.png"),
        ("1/a.jpg", "a.jpg", "a.jpg.png"),
        ("2/a.jpg", "a.jpg", "a_2.png"),
        ("2/deep/a.jpg", "deep/a.jpg", "deep/a.png"),
        ("overlays/b.png", "b.png", "b.png.png"),
    ]
    found = [(tmp_path / source, Path(relative)) for source, relative, _ in wanted]
    assert list(outputs(found, tmp_path)) == [
        (tmp_path / source, Path(name)) for source, _, name in wanted
    ]


def test_the_camera_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    path = save(tmp_path / "a.jpg", picture(16, 24, 12), exif=exif)
    image = read_picture(path)
    assert image.shape == (24, 16, 3)
    assert image[2].mean() < 60 and image[-2].mean() > 190


def test_grey_alpha_palette_and_16_bits_become_rgb(tmp_path):
    image = picture()
    grey = image[..., 0]
    alpha = np.dstack([image, np.full_like(grey, 7)])
    pictures = {
        "grey": Image.fromarray(grey),
        "alpha": Image.fromarray(alpha),
        "palette": Image.fromarray(image).quantize(4),
        "16bit": Image.fromarray(grey.astype(np.uint16) * 256 + 99),
    }
    for name, kind in pictures.items():
        kind.save(tmp_path / f"{name}.png")
        np.testing.assert_array_equal(read_picture(tmp_path / f"{name}.png"), image)


def test_what_is_no_picture_is_one_line_with_the_path(tmp_path):
    save(tmp_path / "whole.png", picture())
    cut = (tmp_path / "whole.png").read_bytes()[:60]
    (tmp_path / "cut.png").write_bytes(cut)
    (tmp_path / "text.jpg").write_text("no picture")
    Image.fromarray(np.zeros((4, 5), np.float32)).save(tmp_path / "float.tif")
    for name, reason in (
        ("missing.png", "no such file"),
        ("cut.png", "no picture or damaged"),
        ("text.jpg", "no picture or damaged"),
        ("float.tif", "8 or 16 bits per channel: got 32"),
    ):
        with pytest.raises(UserError, match=f"{name}: .*{reason}"):
            read_picture(tmp_path / name)
    with pytest.raises(UserError, match="got 14x9; .*--size"):
        read_picture(tmp_path / "whole.png", 14 * 9 - 1)


def test_what_is_written_is_read_again(tmp_path):
    write_png(tmp_path / "deep" / "a.png", picture())
    np.testing.assert_array_equal(read_picture(tmp_path / "deep/a.png"), picture())
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.png"]
