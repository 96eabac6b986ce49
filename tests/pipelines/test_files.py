import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.pipelines import ClassTable, load_sample, open_dataset
from tests.pipelines.folders import THREE, TWO_VALUES, VALUES, findings


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


def test_values_outside_the_classes_are_named_with_their_pixels(folder):
    values = TWO_VALUES.copy()
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


def test_masks_of_another_kind_than_the_first_are_named(folder):
    Image.fromarray(np.zeros((3, 4, 3), np.uint8)).save(folder / "train/labels/b.png")
    Image.fromarray(np.zeros((3, 4), np.uint16)).save(folder / "train/labels/c.png")
    b, c = findings(folder)
    assert "labels of this split are index masks" in b and "RGB, 8 bits" in b
    assert "grey, 16 bits" in c and "with 8 bits per channel" in c


def test_transparency_of_grey_labels_does_not_matter(folder):
    layers = np.dstack([TWO_VALUES, np.arange(12, dtype=np.uint8).reshape(3, 4)])
    Image.fromarray(layers).save(folder / "train/labels/b.png")
    data = open_dataset(folder, "train")
    expected = load_sample(data, 0)["label"]
    np.testing.assert_array_equal(load_sample(data, 1)["label"], expected)


def test_a_palette_that_contradicts_the_class_file_is_refused(folder):
    picture = Image.frombytes("P", (4, 3), (TWO_VALUES % 9 % 2).astype("u1").tobytes())
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
