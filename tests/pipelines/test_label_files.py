import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.pipelines.array_pairs import ArrayPair
from hyperseg_tf.pipelines.label_files import read_values
from tests.pipelines.folders import THREE, VALUES, image


def findings_of(path, table=THREE):
    read = ArrayPair("x", path, path, table, lambda f: read_values(path, table, f))
    label, findings = read.inspect_label()
    return label, [str(finding) for finding in findings]


def label_of(path, table=THREE):
    label, findings = findings_of(path, table)
    assert findings == []
    assert label.dtype == np.uint8
    return label


@pytest.mark.parametrize("suffix", ["bmp", "gif", "tif"])
def test_palettes_of_greys_of_class_colours_and_of_any_others(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    picture = Image.frombytes("P", (7, 5), VALUES.astype(np.uint8).tobytes())
    # Colours of the classes in another order, then colours of nobody.
    order = [1, 2, 0]
    picture.putpalette([c for k in order for c in THREE.colours[k]])
    picture.save(path)
    np.testing.assert_array_equal(label_of(path), np.array(order)[VALUES])
    picture.putpalette([9, 8, 7, 6, 5, 4, 3, 2, 1])
    picture.save(path)
    np.testing.assert_array_equal(label_of(path), VALUES)
    picture.putpalette([2, 2, 2, 0, 0, 0, 255, 255, 255])
    picture.save(path)
    np.testing.assert_array_equal(label_of(path), np.array([2, 0, 255])[VALUES])


def test_colours_and_deep_greys_of_a_tiff(tmp_path):
    path = tmp_path / "x.tiff"
    Image.fromarray(np.array(THREE.colours, np.uint8)[VALUES]).save(path)
    np.testing.assert_array_equal(label_of(path), VALUES)
    Image.fromarray(VALUES.astype(np.uint16)).save(path)
    np.testing.assert_array_equal(label_of(path), VALUES)
    Image.fromarray(VALUES.astype(np.float32)).save(path)
    np.testing.assert_array_equal(label_of(path), VALUES)
    Image.fromarray(VALUES.astype(np.float32) / 2).save(path)
    assert "label values are whole numbers" in findings_of(path)[1][0]


@pytest.mark.parametrize("kind", ["int64", "bool", "float32"])
def test_arrays_of_whole_numbers_are_labels_of_any_type(tmp_path, kind):
    values = (VALUES % 2).astype(kind)
    np.save(tmp_path / "x.npy", values[..., None])
    np.testing.assert_array_equal(label_of(tmp_path / "x.npy"), VALUES % 2)


def test_values_beyond_a_byte_and_below_zero_are_named(tmp_path):
    values = VALUES.astype(np.int64)
    values[0, :3] = (-1, 300, 300)
    np.save(tmp_path / "x.npy", values)
    label, (line,) = findings_of(tmp_path / "x.npy")
    assert "300 (2 pixels), -1 (1 pixels)" in line
    np.testing.assert_array_equal(label[1:], VALUES[1:])


def test_what_is_no_label_is_a_finding(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((2, 3, 4, 5)))
    assert "float64 (2, 3, 4, 5)" in findings_of(path)[1][0]
    np.save(path, np.array([{}, 1], object), allow_pickle=True)
    assert "a label array is integers" in findings_of(path)[1][0]
    path.write_bytes(b"")
    assert len(findings_of(path)[1]) == 1
    path.unlink()
    assert "No such file" in findings_of(path)[1][0]
    gif = tmp_path / "x.gif"
    frames = [Image.fromarray(VALUES.astype(np.uint8) + n) for n in range(2)]
    frames[0].save(gif, save_all=True, append_images=frames[1:])
    assert "2 pictures in one file" in findings_of(gif)[1][0]
    image(tmp_path / "y.png")
    gif.write_bytes((tmp_path / "y.png").read_bytes())
    assert "the file holds GIF data: PNG" in findings_of(gif)[1][0]
    tif = tmp_path / "x.tif"
    frames[0].save(tif)
    tif.write_bytes(tif.read_bytes()[:-20])
    assert len(findings_of(tif)[1]) == 1
