import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from pipelines import load_sample, open_dataset, show


def test_labels_are_drawn_over_their_images_and_void_is_left_bare(folder, tmp_path):
    data = open_dataset(folder, "train")
    paths = show(data, tmp_path / "new" / "pictures", 2)
    assert [p.name for p in paths] == ["train_00000_a.png", "train_00002_c.png"]
    for path, i in zip(paths, (0, 2), strict=True):
        picture = np.asarray(Image.open(path))
        image = load_sample(data, i)["image"]
        np.testing.assert_array_equal(picture[1, 3], image[1, 3])
        blended = (image[0, 0].astype(int) + (10, 20, 30)) / 2
        assert np.abs(picture[0, 0] - blended).max() <= 1


def test_all_samples_are_shown_where_there_are_fewer_than_asked_for(folder, tmp_path):
    assert len(show(open_dataset(folder, "val"), tmp_path / "x", 99)) == 3


def test_names_become_file_names(folder, tmp_path):
    for kind in ("images", "labels"):
        path = folder / "train" / kind / "a.png"
        path.rename(path.with_name("ä b#1.png"))
    paths = show(open_dataset(folder, "train"), tmp_path / "x", 3)
    assert [path.name for path in paths][2] == "train_00002_ä_b_1.png"
    assert paths == sorted((tmp_path / "x").iterdir())


def test_a_broken_sample_is_named_after_those_before_it(folder, tmp_path):
    (folder / "train/labels/b.png").write_bytes(b"")
    seen = []
    with pytest.raises(UserError, match="labels/b.png"):
        show(open_dataset(folder, "train"), tmp_path / "x", 3, seen.append)
    assert seen == [tmp_path / "x" / "train_00000_a.png"] and seen[0].exists()


def test_wrong_arguments_are_refused(folder, tmp_path):
    data = open_dataset(folder, "train")
    with pytest.raises(ValueError, match="got 0"):
        show(data, tmp_path / "x", 0)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file: pictures are written to a folder"):
        show(data, tmp_path / "file")
