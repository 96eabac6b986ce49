import sys

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.pipelines import check_folder
from hyperseg_tf.pipelines.duplicates import hasher


def smooth(seed, height=41, width=57):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture
def scenes(folder):
    for number, path in enumerate(sorted(folder.glob("*/images/*.png"))):
        smooth(number).save(path)
        Image.fromarray((np.arange(41 * 57).reshape(41, 57) % 2).astype("u1")).save(
            folder / path.relative_to(folder).parts[0] / "labels" / path.name
        )
    return folder


def test_pictures_of_two_splits_that_are_nearly_the_same_are_named(scenes):
    assert check_folder(scenes).notes == ()
    smooth(1).save(scenes / "x.jpg", quality=60)
    Image.open(scenes / "x.jpg").save(scenes / "val/images/c.png")
    (note,) = check_folder(scenes).notes
    assert note.startswith("1 pictures of val are nearly the same as some of train")
    assert note.endswith("b = c")
    assert check_folder(scenes).findings == ()


def test_flat_pictures_are_not_taken_for_one_another(scenes):
    for path in scenes.glob("*/images/a.png"):
        Image.new("RGB", (57, 41), (10, 20, 30)).save(path)
    assert check_folder(scenes).notes == ()


def test_what_is_missing_to_look_for_them_is_said_once(scenes, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagehash", None)
    assert hasher() is None
    (note,) = check_folder(scenes).notes
    assert "imagehash is missing; pip install 'hyperseg_tf[data]'" in note
    assert check_folder(scenes, "val").notes == ()
