import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import detect, open_dataset, splits
from hyperseg_tf.pipelines.opening import GENERAL, READERS


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


def test_a_folder_of_no_known_layout_is_told_what_is_there_and_what_is_near(tmp_path):
    for n in range(9):
        (tmp_path / f"{n}.TIF").write_bytes(b"")
    (tmp_path / "SegmentationClass").mkdir()
    (tmp_path / "Thumbs.db").write_bytes(b"")
    with pytest.raises(UserError) as error:
        open_dataset(tmp_path, "train")
    assert "found 9 *.tif, SegmentationClass/" in str(error.value)
    assert "nearest is PASCAL VOC" in str(error.value)
    assert "without JPEGImages and ImageSets/Segmentation" in str(error.value)
    detected = detect(tmp_path)
    assert detected.reader is None
    lines = str(detected).splitlines()
    assert len(lines) == 1 + len(READERS) and lines[1].startswith("  PASCAL VOC: ")
    assert "misses JPEGImages" in lines[1] and "has SegmentationClass" in lines[1]


def test_what_a_folder_is_taken_for_comes_with_the_reason(own, segnet):
    assert "own folder (" in str(detect(own))
    assert "found classes.csv, train/images, train/labels" in str(detect(own))
    assert detect(segnet).reader.NAME == "SegNet tutorial"


def test_two_layouts_in_one_folder_are_an_error_that_names_both(own):
    (own / "train/_annotations.coco.json").write_text("{}")
    for opener in (detect, lambda path: open_dataset(path, "train")):
        with pytest.raises(
            UserError, match=r"one layout: found COCO .* and own folder"
        ):
            opener(own)
    assert splits(own) == ()


def test_every_reader_says_what_it_reads():
    names = [reader.NAME for reader in READERS]
    assert len(set(names)) == len(names)
    assert all(reader.LAYOUT for reader in READERS) and set(GENERAL) < set(READERS)


def test_the_folder_in_an_archives_folder_is_named(own):
    with pytest.raises(UserError, match=f"own folder in {own}; give that folder"):
        open_dataset(own.parent, "train")
