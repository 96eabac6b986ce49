import pytest

from hyperseg_tf.base.errors import UserError
from pipelines import open_dataset


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
