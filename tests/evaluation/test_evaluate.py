import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.evaluation.evaluate import evaluate
from hyperseg_tf.inference import segmenter
from hyperseg_tf.inference.passes import Passes
from hyperseg_tf.inference.segmenter import Segmenter
from hyperseg_tf.pipelines import ClassTable, open_dataset
from hyperseg_tf.protocols import Protocol
from tests.hostile.entries import png
from tests.tiny_segmenter import NAMES, by_brightness, write_data


def _label(height, width, bright_from, void_rows=0):
    label = np.zeros((height, width), np.uint8)
    label[:, bright_from:] = 1
    label[:void_rows] = 255
    return label


def test_a_perfect_model_scores_one_and_the_absent_class_is_left_out(tmp_path):
    # Two sizes, both below and off every multiple.
    data = write_data(tmp_path, [_label(7, 13, 5), _label(33, 41, 20, void_rows=3)])
    result = evaluate(by_brightness(), data)
    assert result.miou == 1 and result.pixel_accuracy == 1
    assert result.left_out == ("never",)
    assert result.images == 2 and result.split == "val"
    assert result.matrix.tolist() == [
        [7 * 5 + 30 * 20, 0, 0],
        [0, 7 * 8 + 30 * 21, 0],
        [0, 0, 0],
    ]
    table = result.table()
    assert "left out of the mean, in neither label nor prediction: never" in table
    assert "absent" in table and "100.00" in table


def test_absent_classes_can_count_as_zero(tmp_path):
    data = write_data(tmp_path, [_label(7, 13, 5)])
    result = evaluate(by_brightness(), data, absent="zero")
    assert result.miou == pytest.approx(2 / 3)
    assert "counted as 0" in result.table()


def test_scores_follow_from_all_pixels_and_not_from_a_mean_over_images(tmp_path):
    # The second picture is labelled bright (1) but is class 2 in half of its pixels.
    label = _label(8, 8, 4)
    wrong = label.copy()
    wrong[4:, 4:] = 2
    data = write_data(tmp_path, [label, wrong])
    result = evaluate(by_brightness(), data, batch_size=2)
    assert result.iou.tolist() == [1.0, 48 / 64, 0.0]
    assert result.miou == pytest.approx((1 + 0.75 + 0) / 3)
    assert result.pixel_accuracy == 112 / 128
    for batch_size in (1, 5):
        again = evaluate(by_brightness(), data, batch_size=batch_size)
        np.testing.assert_array_equal(again.matrix, result.matrix)


def test_another_network_size_is_compared_at_the_labels_own(tmp_path):
    label = np.zeros((40, 60), np.uint8)
    label[:, 30:] = 1
    data = write_data(tmp_path, [label])
    result = evaluate(by_brightness(), data, image_size=(80, 120))
    assert result.matrix.sum() == 40 * 60
    assert result.miou > 0.95
    assert result.input_size == (80, 120)


def test_void_counts_where_the_protocol_says_so(tmp_path):
    data = write_data(tmp_path, [_label(8, 8, 4, void_rows=2)], names=NAMES[:2])
    protocol = Protocol(
        name="x", title="", classes=("dark", "bright", "Void"), void_class=2
    )
    model = by_brightness(names=("dark", "bright", "void"))
    result = evaluate(model, data, protocol)
    # Void pixels are painted bright in the picture: 16 misses, 16 false alarms.
    assert result.matrix.tolist() == [[24, 0, 0], [0, 24, 0], [0, 16, 0]]
    assert result.miou == pytest.approx((1 + 24 / 40 + 0) / 3)
    assert result.one_void and "one kind of void" in result.table()


def test_of_two_kinds_of_void_one_is_ignored(tmp_path):
    data = write_data(tmp_path, [_label(8, 8, 4, void_rows=2)], names=NAMES[:2])
    table = ClassTable(
        NAMES[:2], ((1, 0, 0), (2, 0, 0)), (9, 255), ((0, 0, 0),), (), True
    )
    path = next((data / "val/labels").iterdir())
    values = np.array(Image.open(path))
    values[0, :3] = 9
    Image.fromarray(values).save(path)
    dataset = open_dataset(data, "val")
    samples = dataset.samples.with_classes(table)
    dataset = replace(dataset, classes=table, samples=samples)
    protocol = Protocol(
        name="x", title="", classes=("dark", "bright", "Void"), void_class=2
    )
    model = by_brightness(names=("dark", "bright", "void"))
    result = evaluate(model, dataset, protocol)
    assert result.matrix.tolist() == [[24, 0, 0], [0, 24, 0], [0, 3, 0]]
    assert not result.one_void and "kind of void" not in result.table()


def test_a_model_that_can_say_void_misses_where_it_does(tmp_path):
    data = write_data(tmp_path, [_label(8, 8, 4)], names=NAMES[:2])
    model = by_brightness(names=("dark", "bright", "void"))
    kernel, _ = model.layers[-1].get_weights()
    kernel[..., 2] = 1
    model.layers[-1].set_weights([kernel * [1, 0, 1], np.array([0, -50, 0.0])])
    result = evaluate(model, data)
    assert result.names == ("dark", "bright", "void") and result.counted == (0, 1)
    assert result.matrix.tolist() == [[32, 0, 0], [0, 0, 32], [0, 0, 0]]
    assert result.miou == pytest.approx(0.5)
    assert "\nvoid" not in result.table()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("dark", "bright", "cat"), "'cat'.*'never'"),
        (("bright", "dark", "never"), "another order"),
        (("dark", "bright"), "2 classes instead of 3.*'never'"),
    ],
)
def test_a_model_of_other_classes_is_refused_by_name(tmp_path, names, said):
    data = write_data(tmp_path, [_label(7, 13, 5)])
    with pytest.raises(UserError, match=said):
        evaluate(by_brightness(names, channels=len(names)), data)


def test_a_model_without_class_names_is_judged_by_its_channels(tmp_path):
    data = write_data(tmp_path, [_label(7, 13, 5)])
    assert evaluate(by_brightness(names=None), data).miou == 1
    with pytest.raises(UserError, match="5 output channels instead of 3"):
        evaluate(by_brightness(names=None, channels=5), data)


def test_data_that_do_not_fit_the_protocol_are_refused(tmp_path):
    data = write_data(tmp_path, [_label(7, 13, 5)])
    with pytest.raises(UserError, match="camvid11-360x480 has its own classes"):
        evaluate(by_brightness(), data, "camvid11-360x480")
    protocol = Protocol(name="x", title="", size=(13, 7))
    with pytest.raises(UserError, match=r"0\.png is 7x13"):
        evaluate(by_brightness(), data, protocol)


def test_bad_arguments_are_refused(tmp_path):
    with pytest.raises(ValueError, match="absent"):
        evaluate(by_brightness(), tmp_path, absent="maybe")
    with pytest.raises(ValueError, match="batch_size"):
        evaluate(by_brightness(), tmp_path, batch_size=0)
    with pytest.raises(UserError, match="nowhere"):
        evaluate(tmp_path / "nowhere.keras", write_data(tmp_path, [_label(7, 13, 5)]))


def test_the_files_say_everything(tmp_path):
    data = write_data(tmp_path / "data", [_label(7, 13, 5)])
    result = evaluate(by_brightness(), data)
    result.write_json(tmp_path / "out" / "scores.json")
    found = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert found["protocol"] == "own-folder" and found["dataset"] == "data"
    assert found["split"] == "val" and found["images"] == 1
    assert found["iou"] == {"dark": 1.0, "bright": 1.0, "never": None}
    assert found["miou"] == 1.0 and found["left_out"] == ["never"]
    assert found["matrix"] == result.matrix.tolist()
    assert {"keras", "numpy", "python", "hyperseg_tf"} <= set(found["versions"])
    result.write_confusion_png(tmp_path / "out" / "confusion.png")
    with Image.open(tmp_path / "out" / "confusion.png") as picture:
        assert picture.width > 300


def test_logits_that_are_not_finite_end_it_by_the_name_of_the_image(tmp_path):
    data = write_data(tmp_path, [_label(7, 13, 5)] * 3)
    # Infinite far from the mean colour, as the second image alone is.
    for name, value in (("0", 124), ("1", 240), ("2", 124)):
        image = np.full((7, 13, 3), value, np.uint8)
        Image.fromarray(image).save(tmp_path / f"val/images/{name}.png")
    model = by_brightness()
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([np.abs(kernel) * 3e38, bias])
    for batch_size in (1, 3):
        with pytest.raises(UserError, match=r"images/1\.png: logits must be finite"):
            evaluate(model, data, batch_size=batch_size)


def test_an_image_too_large_to_decode_is_named_before_it_is_decoded(tmp_path):
    data = write_data(tmp_path, [_label(7, 13, 5)])
    (tmp_path / "val/images/0.png").write_bytes(png(1, 12_000_000))
    with pytest.raises(UserError, match=r"0\.png: .* got 12000000x1; shrink it"):
        evaluate(by_brightness(), data)


def test_an_image_too_large_for_the_network_is_seen_through_windows(
    tmp_path, monkeypatch
):
    label = _label(70, 100, 50)
    data = write_data(tmp_path, [label, _label(7, 40, 5)])
    whole = evaluate(by_brightness(), data)
    assert whole.in_windows == 0 and "windows" not in whole.table()
    monkeypatch.setattr(segmenter, "DEFAULT_WINDOW", (32, 48))
    parts = evaluate(by_brightness(), data, max_pixels=32 * 64)
    assert parts.in_windows == 1 and parts.miou == whole.miou
    assert "windows: 1 of 2 images" in parts.table()
    with pytest.raises(UserError, match="got 100x70; give the size for the network"):
        answer = Segmenter(by_brightness()).class_maps
        evaluate(by_brightness(), data, max_pixels=32 * 64, class_maps=answer)


def test_a_score_says_that_it_is_of_several_passes(tmp_path):
    data = write_data(tmp_path, [_label(70, 100, 50)])
    passes = Passes(window=(32, 64), scales=(1.0, 2.0), flip="max")
    result = evaluate(by_brightness(), data, passes=passes)
    assert result.miou > 0.95 and result.in_windows == 1
    said = "windows of 32x64, overlap 0.25; scales 1, 2; flip max"
    assert f"{said}: not one pass" in result.table()
    assert result.as_data()["passes"] == said
    with pytest.raises(ValueError, match="leave them out"):
        evaluate(by_brightness(), data, passes=passes, class_maps=len)
