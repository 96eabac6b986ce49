import os
import unicodedata

import numpy as np
from PIL import Image

from pipelines import load_sample, open_dataset, splits
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
    image(own / "val/images/other.tif")
    label(own / "val/labels/other.bmp", VALUES)
    (own / "val/images/more").mkdir()
    data = open_dataset(own, "val")
    assert len(data) == 1
    lines = "\n".join(str(finding) for finding in data.findings)
    assert len(data.findings) == 6
    assert "lonely.png: every image has a label" in lines
    assert "orphan.png: every label has an image" in lines
    assert "z.png: one file per name: z.jpeg has the same stem" in lines
    assert "other.tif: images are .png, .jpg, .jpeg: a .tif file" in lines
    assert "other.bmp: labels are .png" in lines
    assert "more: images holds files only: a folder" in lines
