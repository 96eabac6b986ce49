import numpy as np
import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import check, load_sample, open_dataset, splits
from hyperseg_tf.pipelines.class_tables import CITYSCAPES, CITYSCAPES_TRAIN_IDS
from tests.needed import needed
from tests.pipelines.folders import image, label

IDS = np.array([[7, 33, 0, 1, 24], [11, 29, 30, 31, 255], [19, 28, 34 - 1, 9, 8]])
TRAIN_IDS = [[0, 18, 255, 255, 11], [2, 255, 255, 16, 255], [6, 15, 18, 255, 1]]


def pair(root, split, city, frame, kind="gtFine", ending="labelIds", values=IDS):
    name = f"{city}_{frame:06d}_000019"
    image(root / f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png", 3, 5)
    if kind:
        label(root / f"{kind}/{split}/{city}/{name}_{kind}_{ending}.png", values)


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "cityscapes"
    for split, city in (("train", "aachen"), ("train", "bonn"), ("val", "ulm")):
        for frame in (0, 1):
            pair(root, split, city, frame)
            for other in ("color", "instanceIds"):
                label(
                    root / f"gtFine/{split}/{city}/{city}_00000{frame}_000019_gtFine_"
                    f"{other}.png",
                    IDS,
                )
    return root


def test_the_table_is_that_of_the_benchmarks_own_scripts():
    labels = needed("cityscapesscripts.helpers.labels").labels
    table, colours = CITYSCAPES.index_table(), {}
    for entry in labels:
        assert table[entry.id % 256] == entry.trainId % 256, entry.name
        if 0 <= entry.trainId < 255:
            position = entry.trainId
            assert CITYSCAPES.names[position] == entry.name
            colours[position] = entry.color
    assert tuple(colours[k] for k in range(19)) == CITYSCAPES.colours
    used = {entry.id % 256 for entry in labels} | {255}
    assert used == {*CITYSCAPES.values, *CITYSCAPES.void_values}


def test_ids_become_train_ids_in_the_graph_and_outside(root):
    data = open_dataset(root, "train")
    names = ["aachen/aachen_000000_000019", "aachen/aachen_000001_000019"]
    assert [sample.name for sample in data][:2] == names and len(data) == 4
    assert data.findings == () and check(data) == []
    assert splits(root) == ("train", "val")
    np.testing.assert_array_equal(load_sample(data, 3)["label"], TRAIN_IDS)
    np.testing.assert_array_equal(data.samples.loader()(3)["label"], TRAIN_IDS)


def test_train_ids_are_read_where_there_are_no_ids(tmp_path):
    values = np.where(np.array(TRAIN_IDS) == 255, 255, TRAIN_IDS)
    pair(tmp_path, "val", "ulm", 0, ending="labelTrainIds", values=values)
    data = open_dataset(tmp_path, "val")
    assert data.classes == CITYSCAPES_TRAIN_IDS
    np.testing.assert_array_equal(load_sample(data, 0)["label"], TRAIN_IDS)


def test_coarse_labels_bring_train_extra_and_fine_ones_come_first(root):
    pair(root, "train", "aachen", 0, "gtCoarse", values=np.zeros((3, 5)))
    pair(root, "train_extra", "essen", 0, "gtCoarse")
    assert len(open_dataset(root, "train")) == 4
    (root / "gtFine").rename(root / "away")
    data = open_dataset(root, "train")
    assert len(data) == 2 and len(data.findings) == 1
    assert data[1].name == "essen/essen_000000_000019"
    assert (load_sample(data, 0)["label"] == 255).all()


def test_a_test_split_without_labels_is_all_void(root):
    pair(root, "test", "berlin", 0, kind=None)
    data = open_dataset(root, "test")
    assert check(data) == [] and splits(root) == ("train", "val", "test")
    sample = load_sample(data, 0)
    assert sample["label"].shape == (3, 5) and (sample["label"] == 255).all()
    assert "test has no labels" in data.notes[0]
    pair(root, "test", "berlin", 0)
    np.testing.assert_array_equal(
        load_sample(open_dataset(root, "test"), 0)["label"], TRAIN_IDS
    )


def test_pictures_saved_again_as_jpeg_are_read(root):
    for path in root.glob("leftImg8bit/val/*/*.png"):
        path.rename(path.with_suffix(".jpg"))
    assert len(open_dataset(root, "val")) == 2


def test_pictures_without_labels_in_train_are_found(root):
    pair(root, "train", "aachen", 7, kind=None)
    (finding,) = open_dataset(root, "train").findings
    assert finding.found == "no label" and "000007" in str(finding.source)
    with pytest.raises(UserError, match="leftImg8bit/test: a split has the folders"):
        open_dataset(root, "test")
