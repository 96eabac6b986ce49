import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.limit import Limit
from hyperseg_tf.inference.pictures import find, outputs, read_picture, write_png
from tests.hostile import pictures as hostile_pictures
from tests.hostile.entries import png, strange_entries, tiff
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
    with pytest.raises(UserError, match="got 14x9; shrink it"):
        read_picture(tmp_path / "whole.png", Limit(14 * 9 - 1, multiple=1))


def test_what_is_written_is_read_again(tmp_path):
    write_png(tmp_path / "deep" / "a.png", picture())
    np.testing.assert_array_equal(read_picture(tmp_path / "deep/a.png"), picture())
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.png"]


def test_folders_that_are_links_are_searched_once(tmp_path):
    save(tmp_path / "days" / "one" / "a.png", picture())
    (tmp_path / "in").mkdir()
    for name in ("first", "second", "third.png"):
        os.symlink(tmp_path / "days", tmp_path / "in" / name)
    os.symlink(tmp_path / "in", tmp_path / "days" / "back")
    errors = []
    found = list(find([tmp_path / "in"], tmp_path / "out", errors))
    assert [str(name) for _, name in found] == ["first/one/a.png"] and errors == []


@pytest.mark.parametrize(
    ("suffix", "colour"), [("png", False), ("png", True), ("tif", False)]
)
def test_few_bits_in_16_are_refused_and_not_read_as_black(tmp_path, suffix, colour):
    path = tmp_path / f"sensor.{suffix}"
    values = np.arange(12 * 40, dtype=np.uint16).reshape(12, 40) * 8  # up to 3832
    for factor in (1, 16):
        scaled = values * factor
        if colour:
            rows = np.repeat(scaled[..., None], 3, -1).astype(">u2")
            raw = b"".join(b"\0" + row.tobytes() for row in rows)
            content = hostile_pictures.png(40, 12, 16, 2, zlib.compress(raw))
            path.write_bytes(content)
        else:
            Image.fromarray(scaled).save(path)
        if factor == 1:
            with pytest.raises(UserError, match="no value above 14 of 255"):
                read_picture(path)
        else:
            assert read_picture(path).max() == 239


def test_what_is_no_file_is_found_by_its_name_and_loops_end(tmp_path):
    strange = strange_entries(tmp_path / "in")
    save(tmp_path / "in" / "a.png" / "b.png", picture())
    errors = []
    found = list(find([tmp_path / "in"], tmp_path / "out", errors))
    names = [str(name) for _, name in found]
    assert names == [*sorted(strange), "a.png/b.png"] and errors == []
    for name, said in strange.items():
        with pytest.raises(UserError, match=f"{name}: .*{said}"):
            read_picture(tmp_path / "in" / name)
    errors = []
    (loop,) = find([tmp_path / "in" / "loop of links.png"], tmp_path / "out", errors)
    assert loop[1] == Path("loop of links.png") and errors == []


def test_a_folder_that_cannot_be_listed_is_told(tmp_path, monkeypatch):
    save(tmp_path / "in" / "a.png", picture())
    (tmp_path / "in" / "closed").mkdir()
    real = os.scandir

    def closed(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", closed)
    errors = []
    assert len(list(find([tmp_path / "in"], tmp_path / "out", errors))) == 1
    assert len(errors) == 1 and "closed: " in errors[0] and "Permission" in errors[0]


def test_a_result_is_not_named_like_the_folder_of_others(tmp_path):
    found = [(tmp_path / name, Path(name)) for name in ("x.jpg", "x.png/b.png")]
    names = [str(name) for _, name in outputs(found, tmp_path / "out")]
    assert names == ["x.jpg.png", "x.png/b.png"]


@pytest.mark.parametrize("size", [(1, 12_000_000), (20_000, 20_000), (2, 65_536)])
def test_the_header_alone_says_that_a_picture_is_too_large(tmp_path, size):
    (tmp_path / "a.png").write_bytes(png(*size))
    with pytest.raises(UserError, match=f"got {size[1]}x{size[0]}; .*--size"):
        read_picture(tmp_path / "a.png", Limit(12_000_000, multiple=64))


def test_a_small_picture_in_a_huge_tile_is_too_large(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff((322, 32768), (323, 32768)))
    with pytest.raises(UserError, match="got 32768x32768"):
        read_picture(tmp_path / "a.tif")


def test_a_postscript_file_is_no_picture_whatever_its_name(tmp_path):
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    with pytest.raises(UserError, match=r"a\.png: .*WEBP file: PostScript; "):
        read_picture(tmp_path / "a.png")


def test_missing_memory_is_not_taken_for_a_damaged_file(tmp_path, monkeypatch):
    def exhausted(picture):
        raise MemoryError

    monkeypatch.setattr("hyperseg_tf.inference.pictures.upright", exhausted)
    with pytest.raises(MemoryError):
        read_picture(save(tmp_path / "a.png", picture()))
