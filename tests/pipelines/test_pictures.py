import os

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import check, load_sample, open_dataset
from hyperseg_tf.pipelines.decode import decode_image, decode_values
from tests.hostile.entries import png
from tests.pipelines.folders import TWO_VALUES, findings


def jpeg(path):
    Image.fromarray(np.zeros((3, 4, 3), np.uint8)).save(path, "JPEG")


@pytest.mark.parametrize("kind", ["images", "labels"])
def test_files_that_are_no_pictures_or_cut_short_are_named(folder, kind):
    paths = [folder / f"train/{kind}/{name}.png" for name in "abc"]
    whole = paths[0].read_bytes()
    paths[0].write_bytes(b"")
    paths[1].write_text("<html>not found</html>")
    paths[2].write_bytes(whole[:-20])
    a, b, c = findings(folder)
    assert f"{kind}/a.png: the file holds PNG" in a and "no picture (0 bytes)" in a
    assert f"{kind}/b.png" in b and "no picture (22 bytes)" in b
    assert f"{kind}/c.png: the file can be decoded to its end" in c
    assert "damaged or cut short (" in c


@pytest.mark.parametrize("kind", ["images", "labels"])
def test_a_png_cut_anywhere_is_a_finding_and_never_a_crash(folder, kind):
    path = folder / f"train/{kind}/b.png"
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        (line,) = findings(folder)
        assert str(path) in line
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    path.write_bytes(bytes(flipped))
    assert len(findings(folder)) == 1


def test_cut_jpegs_are_findings_and_whole_ones_are_not(folder):
    path = folder / "train/images/b.png"
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path, "JPEG")
    whole = path.read_bytes()
    assert findings(folder) == []
    path.write_bytes(whole[:-30])
    (line,) = findings(folder)
    assert "images/b.png" in line and "damaged or cut short" in line


def test_formats_that_do_not_fit_are_named(folder):
    jpeg(folder / "train/labels/a.png")
    pixels = Image.fromarray(np.zeros((3, 4, 3), np.uint8))
    pixels.save(folder / "train/images/b.png", "GIF")
    Image.fromarray(TWO_VALUES.astype(np.uint16)).save(folder / "train/labels/c.png")
    a, b, c = findings(folder)
    assert "labels/a.png: the file holds PNG data: JPEG, which loses label values" in a
    assert "images/b.png: the file holds PNG or JPEG data: GIF" in b
    assert "labels/c.png" in c and "grey, 16 bits" in c


def test_missing_files_are_named(folder):
    data = open_dataset(folder, "train")
    data[0].image_source.unlink()
    data[2].label_source.unlink()
    data[2].label_source.mkdir()
    a, c = map(str, check(data))
    assert "images/a.png: every listed file can be read: No such file" in a
    assert "labels/c.png" in c and "Is a directory" in c
    with pytest.raises(UserError, match="No such file"):
        load_sample(data, 0)


@pytest.mark.parametrize("kind", ["images", "labels"])
def test_what_is_no_file_is_a_finding_and_not_waited_for(folder, kind):
    path = folder / f"train/{kind}"
    for name, make in (
        ("a.png", lambda name: os.mkfifo(name)),
        ("b.png", lambda name: os.symlink(name.name, name)),
        ("c.png", lambda name: os.symlink("/dev/zero", name)),
    ):
        (path / name).unlink()
        make(path / name)
    a, b, c = findings(folder)
    assert f"{kind}/a.png" in a and "a FIFO" in a
    assert f"{kind}/b.png" in b and "symbolic links" in b
    assert f"{kind}/c.png" in c and "a device" in c
    assert [sample.size() is None for sample in open_dataset(folder, "train")] == (
        3 * [kind == "images"]
    )


@pytest.mark.parametrize("name", ["classes.csv", "train.txt"])
def test_tables_and_lists_are_files_too(folder, tmp_path, name):
    if name == "train.txt":
        (folder / "trainannot").mkdir()
        (folder / "train/images").rename(folder / "train/pictures")
        (folder / "val/images").rename(folder / "val/pictures")
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    with pytest.raises(UserError, match=f"{name}: .*a FIFO"):
        open_dataset(folder, "train")


@pytest.mark.parametrize("kind", ["images", "labels"])
@pytest.mark.parametrize("size", [(20_000, 20_000), (1, 100_000)])
def test_pictures_too_large_to_decode_are_findings(folder, kind, size):
    (folder / f"train/{kind}/b.png").write_bytes(png(*size))
    (line,) = findings(folder)
    assert f"{kind}/b.png: a picture has at most 100,000,000 pixels" in line
    assert f"{size[0]}x{size[1]} (height x width)" in line


@pytest.mark.parametrize("kind", ["image", "index", "colour"])
def test_the_stream_asks_the_header_itself(kind):
    """A file may have changed since the check."""
    decoders = {"image": decode_image}
    decode = decoders.get(kind, lambda contents: decode_values(contents, kind))
    with pytest.raises(tf.errors.InvalidArgumentError, match="20000,? 20000"):
        decode(tf.constant(png(20_000, 20_000)))
