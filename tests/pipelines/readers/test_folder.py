import os
import unicodedata

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import load_sample, open_dataset, splits
from tests.pipelines.folders import THREE, VALUES, image, label


def test_own_folder_lists_pairs_by_name_and_reads_their_values(own):
    data = open_dataset(own, "train")
    assert [pair.name for pair in data] == ["a b", "c", "Ünï"]
    assert all(p.image_source.stem == p.label_source.stem for p in data)
    assert (data.split, data.classes) == ("train", THREE)
    assert data.samples.encoding == "index"
    assert splits(own) == ("train", "val") and data.findings == ()
    sample = load_sample(data, 1)
    np.testing.assert_array_equal(sample["label"], (VALUES + 2) % 3)
    np.testing.assert_array_equal(
        sample["image"], np.asarray(Image.open(data[1].image_source))
    )
    assert sample["image"].dtype == sample["label"].dtype == np.uint8


def test_upper_case_extensions_jpegs_and_symlinked_folders_are_read(own, tmp_path):
    image(own / "val/images/Photo.JPG", quality=95)
    label(own / "val/labels/Photo.PNG", VALUES)
    (own / "val/images/.DS_Store").write_bytes(b"x")
    (own / "val/images/notes.txt").write_text("x")
    os.symlink(own / "val", own / "test")
    os.symlink(own, tmp_path / "link")
    data = open_dataset(tmp_path / "link", "test")
    assert [pair.image_source.name for pair in data] == ["Photo.JPG", "z.png"]
    assert data.findings == () and splits(own) == ("train", "val", "test")
    expected = np.asarray(Image.open(own / "val/images/Photo.JPG"))
    np.testing.assert_array_equal(load_sample(data, 0)["image"], expected)


def test_composed_and_decomposed_umlauts_are_one_name(own):
    path = own / "val/labels/Größe.png"
    label(path.with_name(unicodedata.normalize("NFD", path.name)), VALUES)
    image(own / "val/images" / unicodedata.normalize("NFC", path.name))
    data = open_dataset(own, "val")
    assert len(data) == 2 and data.findings == ()
    np.testing.assert_array_equal(load_sample(data, 0)["label"], VALUES)


def test_everything_that_finds_no_partner_is_a_finding(own):
    image(own / "val/images/lonely.png")
    label(own / "val/labels/orphan.png", VALUES)
    image(own / "val/images/z.jpeg")
    image(own / "val/images/other.webp")
    image(own / "val/labels/other.webp")
    data = open_dataset(own, "val")
    assert len(data) == 1
    lines = "\n".join(str(finding) for finding in data.findings)
    assert len(data.findings) == 5
    assert "lonely.png: every image has a label" in lines
    assert "orphan.png: every label has an image" in lines
    assert "z.png: one file per name: z.jpeg has the same stem" in lines
    assert "other.webp: images are .png, .jpg, .jpeg: a .webp file" in lines
    assert "other.webp: labels are .png, .bmp, " in lines


def test_a_fault_of_many_files_is_one_finding_with_their_number(own):
    for n in range(5):
        image(own / f"val/images/day/lonely{n}.png")
    (finding,) = open_dataset(own, "val").findings
    assert finding.source == own / "val/images/day"
    names = "lonely0.png, lonely1.png, lonely2.png, ..."
    assert finding.found == f"no label: 5 files ({names})"


def test_folders_in_folders_are_read_and_part_of_the_name(own):
    for day in ("b/x", "a"):
        image(own / f"val/images/{day}/0.png")
        label(own / f"val/labels/{day}/0.png", VALUES)
    data = open_dataset(own, "val")
    assert [sample.name for sample in data] == ["a/0", "b/x/0", "z"]
    assert data[1].label_source == own / "val/labels/b/x/0.png"
    assert data.findings == ()


def test_litter_is_left_out_counted_and_named_once(own):
    (own / "val/images/@eaDir").mkdir()
    image(own / "val/images/@eaDir/z.png")
    (own / "val/images/Thumbs.db").write_bytes(b"x")
    (own / "val/images/day").mkdir()
    for name in (".DS_Store", "._z.png", "._a.png", "desktop.ini"):
        (own / "val/images/day" / name).write_bytes(b"x")
    data = open_dataset(own, "val")
    assert len(data) == 1 and data.findings == ()
    (note,) = data.notes
    assert note.startswith(f"{own / 'val/images'}: left out: ._* (2), ")
    for name in ("@eaDir (1)", "Thumbs.db (1)", ".DS_Store (1)", "desktop.ini (1)"):
        assert name in note


def test_a_link_to_a_folder_above_is_not_followed_for_ever(own):
    os.symlink(own / "val/images", own / "val/images/again")
    assert [sample.name for sample in open_dataset(own, "val")] == ["z"]


def test_valid_and_validation_are_val_but_not_both(own):
    (own / "val").rename(own / "Validation")
    assert splits(own) == ("train", "val") and len(open_dataset(own, "val")) == 1
    (own / "valid").mkdir()
    with pytest.raises(UserError, match="found valid and Validation for val"):
        open_dataset(own, "val")


@pytest.mark.parametrize("suffix", ["bmp", "gif", "tif", "npy"])
def test_lossless_labels_of_other_formats_have_the_values_of_png(own, suffix):
    expected = load_sample(open_dataset(own, "train"), 1)["label"]
    path = own / "train/labels/c.png"
    if suffix == "npy":
        np.save(path.with_suffix(".npy"), np.asarray(Image.open(path)))
    else:
        Image.open(path).save(path.with_suffix("." + suffix))
    path.unlink()
    data = open_dataset(own, "train")
    assert data.findings == () and len(data) == 3
    np.testing.assert_array_equal(load_sample(data, 1)["label"], expected)
    loaded = data.samples.loader()(tf.constant(1, tf.int64))
    np.testing.assert_array_equal(loaded["label"], expected)


def test_labels_that_are_none_are_named_by_what_they_are(own):
    path = own / "val/labels/z.png"
    path.rename(path.with_suffix(".txt"))
    with pytest.raises(UserError, match=r"0 labels \(labels holds 1 .txt\)"):
        open_dataset(own, "val")


def test_capital_letters_of_folders_do_not_count(own):
    (own / "val/images").rename(own / "val/Images")
    (own / "val").rename(own / "Val")
    assert len(open_dataset(own, "val")) == 1


def test_files_that_are_no_pictures_are_named_by_their_kind(own):
    for name in ("a.npz", "z.npz", "README"):
        (own / "val/labels" / name).write_bytes(b"x")
    data = open_dataset(own, "val")
    assert data.findings == ()
    assert data.notes == (f"{own / 'val/labels'}: left out: *.npz (2), README (1)",)
