import numpy as np
import pytest

from hyperseg_tf.pipelines import CAMVID, load_sample, open_dataset, splits
from tests.pipelines.folders import THREE, VALUES


def test_segnet_layout_has_camvids_classes_and_eleven_is_void(segnet):
    data = open_dataset(segnet, "train")
    assert data.classes == CAMVID and len(data) == 3 and data.name == "CamVid"
    values = VALUES + 2 + 7
    np.testing.assert_array_equal(
        load_sample(data, 2)["label"], np.where(values == 11, 255, values)
    )


@pytest.mark.parametrize(
    "line",
    [
        "/SegNet/CamVid/train/{}.png /SegNet/CamVid/trainannot/{}.png",
        "CamVid/train/{}.png\tCamVid/trainannot/{}.png  ",
        "C:\\SegNet\\train\\{}.png   C:\\SegNet\\trainannot\\{}.png\r",
    ],
)
def test_original_absolute_lists_are_read_by_their_last_two_parts(segnet, line):
    before = open_dataset(segnet, "train").samples
    text = "\ufeff" + "\n\n".join(line.format(n, n) for n in range(3)) + "\n"
    (segnet / "train.txt").write_text(text, encoding="utf-8")
    after = open_dataset(segnet, "train")
    assert after.samples == before and after.findings == ()


def test_list_lines_with_spaces_in_names_split_where_both_names_agree(segnet):
    (segnet / "train" / "0.png").rename(segnet / "train" / "my b.png")
    (segnet / "trainannot" / "0.png").rename(segnet / "trainannot" / "my b.png")
    (segnet / "train.txt").write_text("train/my b.png trainannot/my b.png\n")
    (pair,) = open_dataset(segnet, "train")
    assert pair.image_source == segnet / "train/my b.png"
    assert pair.label_source == segnet / "trainannot/my b.png"


def test_malformed_and_repeated_list_lines_are_findings_with_numbers(segnet):
    with open(segnet / "train.txt", "a") as file:
        file.write("\ntrain/only.png\ntrain/1.png trainannot/1.png\n")
    data = open_dataset(segnet, "train")
    assert len(data) == 3
    lines = [str(finding) for finding in data.findings]
    assert "line 5 is 'train/only.png'" in lines[0]
    assert "line 6 repeats line 2" in lines[1]


def test_a_class_file_replaces_camvids_classes_in_the_segnet_layout(segnet):
    THREE.write(segnet / "classes.csv")
    assert open_dataset(segnet, "val").classes == THREE


def test_images_of_one_name_in_two_folders_have_names_of_their_own(segnet):
    (segnet / "train.txt").write_text(
        "train/0.png trainannot/0.png\n"
        "val/0.png valannot/0.png\n"
        "train/1.png trainannot/1.png\n"
    )
    names = [sample.name for sample in open_dataset(segnet, "train")]
    assert names == [str(segnet / "train/0.png"), str(segnet / "val/0.png"), "1"]


def test_folders_without_a_list_are_paired_by_name(segnet):
    (segnet / "val.txt").unlink()
    data = open_dataset(segnet, "val")
    assert [sample.name for sample in data] == ["0", "1", "2"]
    assert data.classes == CAMVID and splits(segnet) == ("train", "val")
