import json

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.evaluation.evaluate import evaluate
from hyperseg_tf.visualise import Compared, places
from tests.tiny_segmenter import NAMES, by_brightness, write_data


@pytest.fixture
def data(tmp_path):
    """Five pictures, some of whose pixels are labelled wrongly; one is void."""
    labels, images = [], []
    for wrong in (3, 0, 8, 1, 0):
        label = np.zeros((16, 20), np.uint8)
        label[:, 10:] = 1
        image = np.where(label == 0, 10, 240).astype(np.uint8)
        label[:wrong, 10:] = 2
        labels.append(label)
        images.append(np.repeat(image[..., None], 3, axis=-1))
    labels[4][:] = 255
    return write_data(tmp_path / "data", labels, images=images)


def test_pictures_are_ranked_and_named(data):
    result = evaluate(by_brightness(), data)
    assert result.pictures == ("0", "1", "2", "3", "4")
    assert result.ranking == [2, 0, 3, 1]
    np.testing.assert_allclose(
        result.picture_scores, [(1 + 13 / 16) / 3, 1, 0.5, (1 + 15 / 16) / 3, np.nan]
    )
    lines = result.table().splitlines()
    assert "worst by mIoU: 2 50.00, 0 60.42" in lines
    assert "best by mIoU: 1 100.00, 3 64.58" in lines
    found = json.loads(json.dumps(result.as_data()))["pictures"]
    counts = {"dark": [160, 160, 160], "bright": [80, 80, 160], "never": [0, 80, 0]}
    assert found[2] == {"name": "2", "miou": 0.5, "counts": counts}
    assert found[4]["miou"] is None


def test_intervals_stand_beside_the_scores(data):
    result = evaluate(by_brightness(), data)
    low, high = result.intervals.miou
    assert low < result.miou < high
    assert f"{100 * low:.2f} to {100 * high:.2f}" in result.table()
    written = result.as_data()["intervals"]
    assert written["miou"] == [low, high] and written["level"] == 0.95
    assert set(written["iou"]) == set(NAMES)


def test_the_ends_are_drawn(data, tmp_path):
    out = tmp_path / "ends"
    result = evaluate(by_brightness(), data, draw=out, draw_count=2)
    names = sorted(path.name for path in out.iterdir())
    assert names == [
        f"{w}_0{n}_{i}.png"
        for w, n, i in (
            ("best", 1, 1),
            ("best", 2, 3),
            ("worst", 1, 2),
            ("worst", 2, 0),
        )
    ]
    picture = np.asarray(Image.open(out / "worst_01_2.png"))
    at = places([Compared(np.zeros((16, 20, 3), np.uint8), None, None, "")])
    top, left = at.tops[0], at.lefts[3]
    errors = picture[top : top + 16, left : left + 20].astype(int)
    red = errors[..., 0] > errors[..., 1]
    assert red[:8, 10:].all() and not red[8:].any() and not red[:, :10].any()
    with pytest.raises(UserError, match="not overwritten"):
        evaluate(by_brightness(), data, draw=out)
    assert result.images == 5


def test_no_picture_is_drawn_twice(data, tmp_path):
    evaluate(by_brightness(), data, draw=tmp_path / "ends", draw_count=99)
    assert len(list((tmp_path / "ends").iterdir())) == 4


def test_other_scores_stand_in_the_table_and_the_file(data):
    result = evaluate(by_brightness(), data)
    table, written = result.table(), result.as_data()
    right, labelled, predicted = (
        np.diagonal(result.matrix),
        *(result.matrix.sum(axis=axis) for axis in (1, 0)),
    )
    dice = 2 * right / (labelled + predicted)
    assert list(written["dice"].values()) == pytest.approx(dice)
    assert list(written["accuracy"].values()) == pytest.approx(right / labelled)
    assert written["boundary"]["width"] == 0.02
    assert written["boundary"]["iou"]["dark"] == result.boundary_iou[0] == 1
    assert set(written["sizes"]) == {"limits", "small", "medium", "large"}
    assert f"frequency-weighted IoU {100 * result.frequency_weighted_iou:.2f}" in table
    assert "mIoU by size of objects: small" in table
    assert written["frequency_weighted_iou"] == result.frequency_weighted_iou
