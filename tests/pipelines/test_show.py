from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import (
    Normalise,
    PadTo,
    RandomFlip,
    load_sample,
    open_dataset,
    show,
)


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


def test_void_has_lines_in_a_colour_of_no_class_and_is_in_the_legend(folder, tmp_path):
    for kind, pixels in (("images", (30, 20, 10)), ("labels", 255)):
        mode = "RGB" if kind == "images" else "L"
        Image.new(mode, (40, 30), pixels).save(folder / "train" / kind / "a.png")
    data = open_dataset(folder, "train")
    picture = np.asarray(Image.open(show(data, tmp_path / "x", 1)[0]))
    rows, columns = np.indices((30, 40))
    lines = (picture[:30, :40] == (255, 0, 255)).all(axis=2)
    np.testing.assert_array_equal(lines, (rows + columns) % 8 == 0)
    assert (picture[:30, :40][~lines] == (30, 20, 10)).all()
    assert (picture[30:] == (255, 0, 255)).all(axis=2).sum() > 50


@pytest.mark.slow
def test_what_training_makes_of_a_sample_stands_beside_it(folder, tmp_path):
    pixels = np.full((20, 30, 3), 200, np.uint8)
    pixels[:, :10] = (200, 0, 0)
    Image.fromarray(pixels).save(folder / "train/images/b.png")
    label = np.zeros((20, 30), np.uint8)
    label[:, :10] = 1
    Image.fromarray(label).save(folder / "train/labels/b.png")
    data = open_dataset(folder, "train").subset([1])
    transforms = (RandomFlip(p=1.0), PadTo(24, 40), Normalise())
    (path,) = show(data, tmp_path / "x", 1, transforms=transforms)
    picture = np.asarray(Image.open(path)).astype(int)
    plain, changed = picture[:20, :30], picture[:24, 38:78]
    assert (picture[20:24, :30] == 255).all() and (picture[:24, 30:38] == 255).all()
    np.testing.assert_allclose(changed[:20, :30], plain[:, ::-1], atol=1)
    bare = changed[22, 35]
    np.testing.assert_allclose(bare, (124, 116, 104), atol=1)  # the mean colour
    rows, columns = np.indices((24, 40))
    lines = (changed == (255, 0, 255)).all(axis=2)
    void = (rows >= 20) | (columns >= 30)
    np.testing.assert_array_equal(lines, void & ((rows + columns) % 8 == 0))


def test_classes_too_alike_are_drawn_in_other_colours_said_once(
    folder, tmp_path, capsys
):
    data = open_dataset(folder, "train")
    names = data.classes.names
    alike = replace(data.classes, colours=[(10, 20, 30 + i) for i in range(len(names))])
    show(replace(data, classes=alike), tmp_path / "x", 2)
    said = capsys.readouterr().err
    assert said.count("colours of their own") == 1 and names[-1] in said
