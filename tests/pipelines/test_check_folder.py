import pytest

from hyperseg_tf.pipelines import check_folder
from tests.pipelines.folders import VALUES, image, label


def test_a_sound_folder_has_a_summary_of_all_its_splits(folder):
    report = check_folder(folder)
    assert report.findings == () and report.num_samples == 6
    assert [dataset.split for dataset, _ in report.splits] == ["train", "val"]
    assert report.summary().splitlines() == [
        "train: 3 pairs, index masks, all sound",
        "val: 3 pairs, index masks, all sound",
        "",
        "index  class     train       val",
        "    0  road   70.000 %  70.000 %",
        "    1  car    30.000 %  30.000 %",
        "       (void)  16.667 %  16.667 %",
        "Shares of classes are of the labelled pixels, that of void is of all.",
    ]


def test_train_and_val_are_looked_for_and_test_only_where_it_is(folder):
    (folder / "val").rename(folder / "test")
    report = check_folder(folder)
    assert [dataset.split for dataset, _ in report.splits] == ["train", "test"]
    (line,) = report.findings
    assert "val/images: a split has the folders images and labels" in line
    assert line.endswith("train with --split-val 0.1.")


def test_a_val_that_is_there_and_empty_offers_a_part_of_train(own, segnet, tmp_path):
    for path in (own / "val").rglob("*.png"):
        path.unlink()
    (segnet / "val.txt").write_text("\n")
    voc = tmp_path / "voc"
    image(voc / "JPEGImages/a.jpg")
    label(voc / "SegmentationClass/a.png", VALUES)
    (voc / "ImageSets/Segmentation").mkdir(parents=True)
    (voc / "ImageSets/Segmentation/train.txt").write_text("a\n")
    (voc / "ImageSets/Segmentation/val.txt").write_text("")
    for root in (own, segnet, voc):
        (line,) = check_folder(root).findings
        assert line.endswith("train with --split-val 0.1.") and "found" in line


def test_one_split_alone_can_be_checked(folder):
    (folder / "train/images/a.png").write_bytes(b"")
    assert check_folder(folder, "val").findings == ()
    report = check_folder(folder, "train")
    assert len(report.findings) == 1 and report.num_samples == 3
    assert report.summary().startswith("train: 3 pairs, index masks, 1 finding\n")


@pytest.mark.parametrize("name", ["nowhere", "classes.csv"])
def test_what_is_wrong_with_the_whole_folder_is_said_once(folder, name):
    report = check_folder(folder / name)
    (line,) = report.findings
    assert name in line and report.splits == () and report.num_samples == 0
    assert report.summary() == "no split could be opened"


def test_what_was_left_out_is_a_note_and_no_finding(folder):
    for split in ("train", "val"):
        (folder / split / "labels/Thumbs.db").write_bytes(b"x")
    report = check_folder(folder)
    assert report.findings == () and len(report.notes) == 2
    assert "val/labels: left out: Thumbs.db (1)" in report.notes[1]
