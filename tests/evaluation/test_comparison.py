from dataclasses import replace

import numpy as np
import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.evaluation.comparison import (
    check_comparable,
    compare,
    differences,
    read_scores,
)
from hyperseg_tf.evaluation.evaluate import evaluate
from hyperseg_tf.inference.passes import Passes
from tests.tiny_segmenter import by_brightness, write_data


@pytest.fixture
def results(tmp_path):
    label = np.zeros((40, 50), np.uint8)
    label[:, 25:] = 1
    wrong = label.copy()
    wrong[:10, 25:] = 0
    grey = [np.where(x == 0, 10, 240).astype(np.uint8) for x in (label, wrong)]
    images = [np.repeat(x[..., None], 3, 2) for x in grey]
    data = write_data(tmp_path / "data", [label, label], images=images)
    now = evaluate(by_brightness(), data, passes=Passes(flip="max"))
    other = by_brightness()
    kernel, bias = other.layers[-1].get_weights()
    other.layers[-1].set_weights([kernel, bias + [20, 0, 0]])
    return now, evaluate(other, data)


def test_scores_of_one_protocol_stand_beside_each_other(results, tmp_path):
    now, before = results
    before.write_json(tmp_path / "before.json")
    text = compare(now, read_scores(tmp_path / "before.json"))
    assert text == compare(now, before)
    more = 100 * (now.miou - before.miou)
    assert more > 1
    line = next(row for row in text.splitlines() if row.startswith("mIoU "))
    *scores, first, to, last, sign = line.split()[1:]
    assert scores == [
        f"{100 * now.miou:.2f}",
        f"{100 * before.miou:.2f}",
        f"{more:+.2f}",
    ]
    assert (to, sign) == ("to", "higher")
    assert 0 < float(first) <= round(more, 2) <= float(last)
    assert f"mIoU is higher: 95 % of the difference is {first} to {last}" in text
    assert "never                -       -       -" in text
    low, high = now.intervals.miou
    assert f"{100 * low:.2f} to {100 * high:.2f}" in text
    assert "by_brightness: flip max" in text


def test_differences_and_their_signs_are_kept_with_the_scores(results, tmp_path):
    now, before = results
    found = differences(now, before)
    now.write_json(tmp_path / "now.json", found)
    kept = read_scores(tmp_path / "now.json")
    assert kept["against"] == found and found["miou"]["sign"] == "higher"
    assert found["miou"]["difference"] == pytest.approx(now.miou - before.miou)
    with pytest.raises(UserError, match="not the same split"):
        differences(now, replace(before, split="test"))


def test_scores_of_an_older_version_are_compared_without_intervals(results):
    now, before = results
    old = before.as_data()
    for picture in old["pictures"]:
        del picture["counts"]
    assert differences(now, old) is None
    text = compare(now, old)
    assert "no interval of the difference: the scores of by_brightness are" in text
    (line,) = (row for row in text.splitlines() if row.startswith("mIoU "))
    assert len(line.split()) == 4


def test_models_that_are_not_told_apart_are_said_so(results):
    now, _ = results
    assert "mIoU is not told apart: 95 % of the difference, +0.00" in compare(now, now)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"protocol": "camvid12"},
            "same protocol: got own-folder and camvid12",
        ),
        ({"split": "test"}, "not the same split: got val and test"),
        ({"dataset": "other"}, "not the same data"),
        ({"pictures": ("0", "7")}, "not the same images"),
        ({"absent": "zero"}, "not the same rule for absent classes: got skip and zero"),
        ({"names": ("dark", "bright", "cat")}, "not the same classes"),
        ({"one_void": True}, "not the same void"),
    ],
)
def test_scores_of_other_things_are_not_compared(results, change, said):
    now, before = results
    with pytest.raises(UserError, match=said):
        compare(now, replace(before, **change))


def test_what_is_not_known_yet_is_not_asked(results):
    before = results[1].as_data()
    check_comparable({"protocol": "own-folder", "split": "val"}, before)
    with pytest.raises(UserError, match="not the same protocol"):
        check_comparable({"protocol": "voc21"}, before)


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "x.json"
    for text in ("", "[]", '{"iou": 3, "protocol": "x"}', "{}"):
        path.write_text(text)
        with pytest.raises(UserError, match=r"x\.json: scores are a file"):
            read_scores(path)
    with pytest.raises(UserError, match="name another"):
        read_scores(tmp_path / "nowhere.json")
