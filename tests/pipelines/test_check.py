import argparse
import warnings
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.cli import data as command
from pipelines import ClassTable, check, load_sample, open_dataset, require
from pipelines.check import inspect

TABLE = ClassTable(("road", "car"), ((10, 20, 30), (0, 0, 0)), (9, 255))
VALUES = np.array([[0, 1, 9, 0], [1, 1, 0, 255], [0, 0, 0, 0]], np.uint8)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            (tmp_path / split / kind).mkdir(parents=True)
        for name in ("a", "b", "c"):
            pixels = rng.integers(0, 256, (3, 4, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / split / "images" / f"{name}.png")
            Image.fromarray(VALUES).save(tmp_path / split / "labels" / f"{name}.png")
    TABLE.write(tmp_path / "classes.csv")
    return tmp_path


def findings(folder, split="train"):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return [str(finding) for finding in check(open_dataset(folder, split))]


def run(*arguments):
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers())
    args = parser.parse_args(["data", *map(str, arguments)])
    return args.run(args)


def test_sound_folders_have_no_findings_and_pixels_are_counted(folder):
    report = inspect(open_dataset(folder, "train"))
    assert report.findings == ()
    assert report.class_pixels.tolist() == [21, 9] and report.void_pixels == 6
    require(open_dataset(folder, "train"))


def test_sizes_that_differ_are_named(folder):
    Image.fromarray(VALUES.T.copy()).save(folder / "train/labels/b.png")
    (line,) = findings(folder)
    assert "labels/b.png: image and label have the same size" in line
    assert "image 3x4, label 4x3" in line


def test_values_outside_the_classes_are_named_with_their_pixels(folder):
    values = VALUES.copy()
    values[0] = (2, 2, 2, 17)
    Image.fromarray(values).save(folder / "train/labels/c.png")
    (line,) = findings(folder)
    assert "labels/c.png" in line and "2 (3 pixels), 17 (1 pixels)" in line
    assert "2 classes (0..1)" in line


def test_many_unknown_values_are_cut_short(folder):
    values = np.arange(100, 112, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(values).save(folder / "train/labels/c.png")
    (line,) = findings(folder)
    assert "and 7 more" in line


def test_colours_outside_the_class_file_are_named(folder):
    for name in ("a", "b", "c"):
        colours = np.zeros((3, 4, 3), np.uint8)
        if name == "b":
            colours[1, 1:3] = (1, 2, 255)
        if name == "c":
            colours[0, 0] = (3, 3, 3)
        Image.fromarray(colours).save(folder / f"train/labels/{name}.png")
    b, c = findings(folder)
    assert "labels/b.png" in b and "(1, 2, 255) (2 pixels)" in b
    assert "labels/c.png" in c and "save class values as one grey channel" in c


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
    Image.fromarray(VALUES.astype(np.uint16)).save(folder / "train/labels/c.png")
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


def test_masks_of_another_kind_than_the_first_are_named(folder):
    Image.fromarray(np.zeros((3, 4, 3), np.uint8)).save(folder / "train/labels/b.png")
    Image.fromarray(np.zeros((3, 4, 2), np.uint8)).save(folder / "train/labels/c.png")
    b, c = findings(folder)
    assert "labels of this split are index masks" in b and "RGB, 8 bits" in b
    assert "grey with alpha" in c


def test_a_rotation_that_only_the_image_would_take_is_refused(folder):
    exif = Image.Exif()
    for name, orientation in (("a", 3), ("b", 1), ("c", 6)):
        exif[0x0112] = orientation
        pixels = Image.fromarray(np.zeros((3, 4, 3), np.uint8))
        form = "PNG" if name == "c" else "JPEG"
        pixels.save(folder / f"train/images/{name}.png", form, exif=exif)
    a, c = findings(folder)
    assert "images/a.png" in a and "EXIF orientation 3" in a
    assert "images/c.png" in c and "EXIF orientation 6" in c


def test_twelve_bits_in_sixteen_are_refused(folder):
    deep = np.full((3, 4), 4095, np.uint16)
    Image.fromarray(deep).save(folder / "train/images/a.png")
    (line,) = findings(folder)
    assert "of 16 bits the upper 8 are used: no value above 15" in line
    Image.fromarray(deep * 16).save(folder / "train/images/a.png")
    assert findings(folder) == []


def test_a_palette_that_contradicts_the_class_file_is_refused(folder):
    picture = Image.frombytes("P", (4, 3), (VALUES % 9 % 2).astype("u1").tobytes())
    # Value 0 is road in the class file, but shown in the colour of car.
    picture.putpalette([0, 0, 0, 10, 20, 30])
    picture.save(folder / "train/labels/b.png")
    (line,) = findings(folder)
    assert "value 0 is class road, its colour (0, 0, 0) is car" in line
    picture.putpalette([10, 20, 30, 0, 0, 0])
    picture.save(folder / "train/labels/b.png")
    assert findings(folder) == []
    picture.putpalette([1, 1, 1, 2, 2, 2])
    picture.save(folder / "train/labels/b.png")
    assert findings(folder) == []


def test_masks_of_zero_and_255_are_not_taken_for_two_classes(folder):
    for name in ("a", "b", "c"):
        mask = np.where(VALUES == 1, 255, 0).astype(np.uint8)
        Image.fromarray(mask).save(folder / f"train/labels/{name}.png")
    (line,) = findings(folder)
    assert "only road, and void in 25.0 % of the pixels" in line


def test_require_names_the_first_and_counts_all(folder):
    data = open_dataset(folder, "train")
    for sample in data:
        sample.image_source.write_bytes(b"")
    data = replace(data, findings=tuple(check(data)[:2]))
    with pytest.raises(UserError) as error:
        require(data)
    text = str(error.value)
    assert "5 findings" in text and "images/a.png" in text and "\n" not in text
    assert f"hyperseg-tf data check {folder}" in text


def test_command_lists_all_findings_one_per_line_and_exits_with_2(folder, capsys):
    (folder / "train/images/a.png").write_bytes(b"")
    (folder / "val/images/b.png").write_bytes(b"x")
    (folder / "val/labels/c.png").unlink()
    assert run("check", folder) == 2
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 3
    assert "train/images/a.png" in out[0]
    assert "val/images/c.png: every image has a label" in out[1]
    assert "val/images/b.png" in out[2]


def test_command_says_what_is_wrong_with_the_whole_folder_once(folder, capsys):
    (folder / "classes.csv").unlink()
    assert run("check", folder) == 2
    (line,) = capsys.readouterr().out.splitlines()
    assert "classes.csv" in line


def test_command_prints_shares_when_all_is_well(folder, capsys):
    assert run("check", folder) == 0
    out = capsys.readouterr().out
    assert "train: 3 pairs, index masks, all sound" in out
    assert "70.000 %" in out and "30.000 %" in out and "16.667 %" in out


def test_command_draws_samples(folder, tmp_path, capsys):
    out = tmp_path / "new" / "pictures"
    assert run("show", folder, "--out", out, "--count", "2") == 0
    paths = capsys.readouterr().out.split()
    assert len(paths) == len(list(out.iterdir())) == 2
    picture = np.asarray(Image.open(paths[0]))
    image = load_sample(open_dataset(folder, "train"), 0)["image"]
    np.testing.assert_array_equal(picture[1, 3], image[1, 3])  # void: left bare
    blended = (image[0, 0].astype(int) + (10, 20, 30)) / 2
    assert np.abs(picture[0, 0] - blended).max() <= 1
    assert picture.shape[0] > 3
