import os
import unicodedata

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from pipelines import CAMVID, ClassTable, join, load_sample, open_dataset, splits
from pipelines.decode import decode_values

THREE = ClassTable(
    ("road", "car", "tree"), ((128, 64, 128), (0, 0, 0), (1, 255, 0)), (255,)
)


def image(path, height=5, width=7, seed=0, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
    Image.fromarray(pixels.astype(np.uint8)).save(path, **options)


def label(path, values, palette=None, bits=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.asarray(values, np.uint8))
    if palette is not None:
        picture = picture.convert("L")
        picture = Image.frombytes("P", picture.size, picture.tobytes())
        picture.putpalette(palette)
    picture.save(path, **({"bits": bits} if bits else {}))


VALUES = np.arange(35).reshape(5, 7) % 3


@pytest.fixture
def own(tmp_path):
    """A sound folder of two splits, with names that break careless code."""
    root = tmp_path / "my dätä"
    for split, names in (("train", ["a b", "Ünï", "c"]), ("val", ["z"])):
        for n, name in enumerate(names):
            image(root / split / "images" / f"{name}.png", seed=n)
            label(root / split / "labels" / f"{name}.png", (VALUES + n) % 3)
    THREE.write(root / "classes.csv")
    return root


@pytest.fixture
def segnet(tmp_path):
    root = tmp_path / "CamVid"
    for split in ("train", "val"):
        lines = []
        for n in range(3):
            image(root / split / f"{n}.png", seed=n)
            label(root / f"{split}annot" / f"{n}.png", VALUES + n + 7)
            lines.append(f"{split}/{n}.png {split}annot/{n}.png\n")
        (root / f"{split}.txt").write_text("".join(lines))
    return root


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


def test_segnet_layout_has_camvids_classes_and_eleven_is_void(segnet):
    data = open_dataset(segnet, "train")
    assert data.classes == CAMVID and len(data) == 3 and data.name == "CamVid"
    values = VALUES + 2 + 7
    np.testing.assert_array_equal(
        load_sample(data, 2)["label"], np.where(values == 11, 255, values)
    )


@pytest.mark.parametrize(
    "line",
    [
        "/SegNet/CamVid/train/{}.png /SegNet/CamVid/trainannot/{}.png",
        "CamVid/train/{}.png\tCamVid/trainannot/{}.png  ",
        "C:\\SegNet\\train\\{}.png   C:\\SegNet\\trainannot\\{}.png\r",
    ],
)
def test_original_absolute_lists_are_read_by_their_last_two_parts(segnet, line):
    before = open_dataset(segnet, "train").samples
    text = "\ufeff" + "\n\n".join(line.format(n, n) for n in range(3)) + "\n"
    (segnet / "train.txt").write_text(text, encoding="utf-8")
    after = open_dataset(segnet, "train")
    assert after.samples == before and after.findings == ()


def test_list_lines_with_spaces_in_names_split_where_both_names_agree(segnet):
    (segnet / "train" / "0.png").rename(segnet / "train" / "my b.png")
    (segnet / "trainannot" / "0.png").rename(segnet / "trainannot" / "my b.png")
    (segnet / "train.txt").write_text("train/my b.png trainannot/my b.png\n")
    (pair,) = open_dataset(segnet, "train")
    assert pair.image_source == segnet / "train/my b.png"
    assert pair.label_source == segnet / "trainannot/my b.png"


def test_malformed_and_repeated_list_lines_are_findings_with_numbers(segnet):
    with open(segnet / "train.txt", "a") as file:
        file.write("\ntrain/only.png\ntrain/1.png trainannot/1.png\n")
    data = open_dataset(segnet, "train")
    assert len(data) == 3
    lines = [str(finding) for finding in data.findings]
    assert "line 5 is 'train/only.png'" in lines[0]
    assert "line 6 repeats line 2" in lines[1]


def test_a_class_file_replaces_camvids_classes_in_the_segnet_layout(segnet):
    THREE.write(segnet / "classes.csv")
    assert open_dataset(segnet, "val").classes == THREE


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("with_palette", [True, False])
def test_masks_of_any_depth_and_palette_keep_their_values(tmp_path, bits, with_palette):
    """The decoder would expand a palette to its colours and stretch small depths."""
    rng = np.random.default_rng(bits)
    values = rng.integers(0, 2**bits, (13, 7)).astype(np.uint8)
    path = tmp_path / "x.png"
    if with_palette:
        label(path, values, rng.integers(0, 256, 768).tolist(), bits)
    elif bits == 8:
        label(path, values)
    else:
        path.write_bytes(grey_png(values, bits))
    assert path.read_bytes()[24:26] == bytes([bits, 3 if with_palette else 0])
    read = decode_values(path.read_bytes(), "index").numpy()
    np.testing.assert_array_equal(read, values)


def grey_png(values, bits):
    """A grey PNG of 1, 2 or 4 bits, written by hand: Pillow writes only 1 and 8."""
    import struct
    import zlib

    def chunk(kind, body):
        crc = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + crc

    height, width = values.shape
    bit_rows = (values[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    packed = np.packbits(bit_rows.reshape(height, -1).astype(np.uint8), axis=1)
    rows = b"".join(b"\0" + row.tobytes() for row in packed)
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def test_palette_masks_with_transparency_keep_their_values(tmp_path):
    picture = Image.frombytes("P", (7, 5), VALUES.astype(np.uint8).tobytes())
    picture.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
    picture.save(tmp_path / "x.png", transparency=1)
    read = decode_values((tmp_path / "x.png").read_bytes(), "index").numpy()
    np.testing.assert_array_equal(read, VALUES)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colour_masks_are_looked_up_in_the_class_file(own, mode):
    colours = np.array([*THREE.colours], np.uint8)[VALUES]
    picture = Image.fromarray(colours).convert("RGBA" if mode == "RGBA" else "RGB")
    if mode == "P":
        picture = picture.convert("P", palette=Image.ADAPTIVE, colors=3)
    picture.save(own / "val/labels/z.png")
    data = open_dataset(own, "val", encoding="colour" if mode == "P" else None)
    assert data.samples.encoding == "colour"
    np.testing.assert_array_equal(load_sample(data, 0)["label"], VALUES)


def test_void_colours_become_void(own):
    table = ClassTable(("a", "b"), ((1, 1, 1), (2, 2, 2)), (), ((0, 0, 0),))
    table.write(own / "classes.csv")
    colours = np.repeat(VALUES[..., None], 3, 2).astype(np.uint8)
    Image.fromarray(colours).save(own / "val/labels/z.png")
    read = load_sample(open_dataset(own, "val"), 0)["label"]
    np.testing.assert_array_equal(read, np.array([255, 0, 1])[VALUES])


def test_grey_alpha_palette_and_deep_images_are_read_as_rgb(own):
    base = np.random.default_rng(0).integers(0, 256, (5, 7)).astype(np.uint8)
    path = own / "val/images/z.png"
    data = open_dataset(own, "val")
    Image.fromarray(base).save(path)
    grey = load_sample(data, 0)["image"]
    np.testing.assert_array_equal(grey, np.repeat(base[..., None], 3, 2))
    rgba = np.stack([base, base // 2, base // 3, base // 4], axis=2)
    Image.fromarray(rgba).save(path)
    np.testing.assert_array_equal(load_sample(data, 0)["image"], rgba[..., :3])
    deep = base.astype(np.uint16) * 256 + 77
    Image.fromarray(deep).save(path)
    assert path.read_bytes()[24] == 16
    np.testing.assert_array_equal(load_sample(data, 0)["image"], grey)


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


def test_hopeless_folders_are_one_error_that_says_what_to_do(own, segnet, tmp_path):
    def message(directory, split="train"):
        with pytest.raises(UserError) as error:
            open_dataset(directory, split)
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "nothing there" in message(tmp_path / "missing")
    assert "a file" in message(own / "classes.csv")
    (tmp_path / "empty").mkdir()
    assert "an empty folder" in message(tmp_path / "empty")
    assert "found classes.csv" not in message(tmp_path / "empty")
    assert "my dätä" in message(tmp_path)
    assert "test/images: a split has the folders" in message(own, "test")
    assert "test.txt: split test needs its list" in message(segnet, "test")
    (segnet / "val.txt").write_text("\n \n")
    assert "at least one pair: found none" in message(segnet, "val")
    (segnet / "val.txt").write_text("one\n")
    assert "line 1 is 'one'" in message(segnet, "val")
    (segnet / "val.txt").write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in message(segnet, "val")
    for path in (own / "val/labels").iterdir():
        path.unlink()
    assert "found 1 images, 0 labels" in message(own, "val")
    (own / "classes.csv").unlink()
    assert "classes.csv: a folder of images needs a class file" in message(own)
    with pytest.raises(ValueError, match="split"):
        open_dataset(own, "training")
    with pytest.raises(ValueError, match="encoding"):
        open_dataset(own, "train", encoding="rgb")


def test_joined_splits_keep_order_and_refuse_to_mix_encodings(own):
    train, val = open_dataset(own, "train"), open_dataset(own, "val")
    both = join([train, val])
    assert list(both) == [*train, *val] and both.split == "train+val"
    with pytest.raises(UserError, match="encoding"):
        join([train, open_dataset(own, "val", encoding="colour")])
