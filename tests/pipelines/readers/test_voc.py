import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import check, detect, load_sample, open_dataset, splits
from hyperseg_tf.pipelines.class_tables import VOC
from tests.needed import needed
from tests.pipelines.folders import image, label

VALUES = np.array([[0, 1, 20], [255, 15, 0]], np.uint8)


def lists(root, **names):
    for split, listed in names.items():
        path = root / f"ImageSets/Segmentation/{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{name}\n" for name in listed))


def matlab(folder, name, values):
    io = needed("scipy.io")
    entry = np.zeros((1, 1), [("Segmentation", object), ("Boundaries", object)])
    entry["Segmentation"][0, 0] = values
    (folder / "cls").mkdir(parents=True, exist_ok=True)
    io.savemat(folder / "cls" / f"{name}.mat", {"GTcls": entry})


@pytest.fixture
def voc(tmp_path):
    root = tmp_path / "VOCdevkit/VOC2012"
    for n, name in enumerate(["t1", "t2", "v1", "s1", "s2", "x1"]):
        image(root / f"JPEGImages/{name}.jpg", 2, 3, seed=n)
    palette = [c for colour in VOC.colours for c in colour]
    for name in ("t1", "t2", "v1"):
        label(root / f"SegmentationClass/{name}.png", VALUES, palette)
    lists(root, train=["t2", "t1"], val=["v1"], trainval=["t1", "t2", "v1"])
    return root


@pytest.mark.parametrize("up", [0, 1, 2])
def test_voc_is_found_in_its_archive_and_read_in_the_order_of_its_lists(voc, up):
    directory = [voc, *voc.parents][up]
    data = open_dataset(directory, "train")
    assert [sample.name for sample in data] == ["t2", "t1"] and check(data) == []
    assert data.samples.encoding == "index" and len(data.classes) == 21
    np.testing.assert_array_equal(load_sample(data, 0)["label"], VALUES)
    assert splits(directory) == ("train", "val")
    assert "adds SBD" in data.notes[0]


def test_the_colours_are_those_of_the_palette():
    assert VOC.colours[1] == (128, 0, 0) and VOC.colours[15] == (192, 128, 128)
    assert VOC.colours[20] == (0, 64, 128) and len(set(VOC.colours)) == 21


def test_sbd_adds_its_train_and_val_but_none_of_vocs_val(voc, tmp_path):
    folder = tmp_path / "benchmark_RELEASE/dataset"
    for name in ("s1", "s2", "t1", "v1"):
        matlab(folder, name, np.full((2, 3), 7, np.uint8))
    (folder / "train.txt").write_text("s2\nt1\n")
    (folder / "val.txt").write_text("s1\nv1\n")
    data = open_dataset(tmp_path, "train")
    assert [sample.name for sample in data] == ["t1", "t2", "s1", "s2"]
    assert check(data) == [] and "train is 4 pictures, with SBD" in data.notes[0]
    # VOC's own label where there is one.
    np.testing.assert_array_equal(load_sample(data, 0)["label"], VALUES)
    loaded = data.samples.loader()(tf.constant(3, tf.int64))
    np.testing.assert_array_equal(loaded["label"], np.full((2, 3), 7))
    np.testing.assert_array_equal(loaded["image"], load_sample(data, 3)["image"])
    assert len(open_dataset(tmp_path, "val")) == 1
    (folder / "cls/s2.mat").write_bytes(b"MATLAB 5.0 nothing")
    (finding,) = check(data)
    assert "GTcls.Segmentation" in str(finding) and "s2.mat" in str(finding)


def test_a_ready_made_set_is_read_by_its_list_or_all_of_it_but_val(voc):
    for name in ("t1", "s1", "s2", "v1"):
        label(voc / f"SegmentationClassAug/{name}.png", np.full((2, 3), 9))
    data = open_dataset(voc, "train")
    assert [sample.name for sample in data] == ["s1", "s2", "t1", "t2"]
    assert check(data) == [] and load_sample(data, 2)["label"][0, 0] == 9
    np.testing.assert_array_equal(load_sample(data, 3)["label"], VALUES)
    lists(voc, trainaug=["s2", "t1"])
    assert [s.name for s in open_dataset(voc, "train")] == ["s2", "t1"]
    np.testing.assert_array_equal(
        load_sample(open_dataset(voc, "val"), 0)["label"], VALUES
    )


def test_a_test_split_without_labels_is_all_void(voc):
    lists(voc, test=["x1"])
    data = open_dataset(voc, "test")
    assert len(data) == 1 and (load_sample(data, 0)["label"] == 255).all()


def test_names_without_a_picture_or_a_label_are_one_finding_each(voc):
    lists(voc, train=["t1", "s1", "s2", "no1", "no2", "no3"])
    gone, alone = open_dataset(voc, "train").findings
    assert gone.found == "no such file: 3 files (no1.jpg, no2.jpg, no3.jpg)"
    assert alone.found.endswith("2 files (s1.jpg, s2.jpg)")
    lists(voc, val=["nothing"])
    with pytest.raises(UserError, match="found 1 names and no pair"):
        open_dataset(voc, "val")


def test_exports_bring_their_own_classes_and_colours(tmp_path):
    image(tmp_path / "JPEGImages/a.png", 2, 3)
    colours = np.array([(0, 0, 0), (250, 50, 83)], np.uint8)[[[0, 1, 1], [0, 0, 1]]]
    label_path = tmp_path / "SegmentationClass/a.png"
    label(label_path, colours)
    lists(tmp_path, default=["a"])
    (tmp_path / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\nknob:250,50,83::\n"
    )
    data = open_dataset(tmp_path, "train")
    assert data.classes.names == ("background", "knob") and check(data) == []
    assert load_sample(data, 0)["label"].tolist() == [[0, 1, 1], [0, 0, 1]]
    assert "default.txt: taken for train" in data.notes[0]
    assert splits(tmp_path) == ("train",) and "VOC" in str(detect(tmp_path))
