import numpy as np
import pytest

from hyperseg_tf.export import gate
from hyperseg_tf.export.bounds import bounds_of
from hyperseg_tf.export.options import options
from hyperseg_tf.export.parity import Parity, Score
from hyperseg_tf.export.reference import reference
from tests.export.files import expected, pictures
from tests.tiny_segmenter import by_brightness

IMAGES = pictures(2)


def _parity(found, output="logits", precision="float32", score=None):
    """The verdict on an answer to `IMAGES`."""
    model = by_brightness()
    name = "openvino" if precision == "float16" else "onnx"
    chosen = options(
        name,
        output=output,
        precision=precision,
        calibrate="pictures" if precision == "int8" else None,
    )
    bounds = bounds_of(precision)
    right = reference(model, IMAGES, bounds)
    row = gate.row("scene", model, IMAGES, found, right, chosen, bounds)
    return Parity(chosen, bounds, (row,), score)


@pytest.mark.parametrize("output", ["logits", "probabilities", "class_map", "overlay"])
def test_the_right_answer_holds_and_a_wrong_one_does_not(output):
    right = expected(IMAGES, output)
    assert _parity(right, output).holds
    # Of 3102 pixels one may be wrong, and these are more.
    wrong = right.copy()
    wrong[0, :2] = np.roll(right, 1, axis=-1)[0, :2] if output != "class_map" else 2
    parity = _parity(wrong, output)
    assert not parity.holds and "does not hold" in parity.table()


def test_logits_may_differ_by_a_ten_thousandth_of_their_spread():
    right = expected(IMAGES, "logits")
    for factor, holds in ((0.9e-4, True), (1.1e-4, False)):
        wrong = right.copy()
        wrong[1, 3, 4, 2] += factor * np.ptp(right)
        assert _parity(wrong).holds is holds


@pytest.mark.parametrize(
    "change", [lambda x: x * np.nan, lambda x: x[:1], lambda x: x.astype("float64")]
)
def test_what_cannot_be_compared_fails(change):
    (failure, *_) = _parity(change(expected(IMAGES, "logits"))).failures()
    assert "scene" in failure


def test_pixels_whose_classes_are_as_good_do_not_count():
    model = by_brightness()
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([0 * kernel, 0 * bias + 1])
    bounds = bounds_of("float32")
    right = reference(model, IMAGES, bounds)
    maps = np.random.default_rng(0).integers(0, 3, IMAGES.shape[:3]).astype("uint8")
    chosen = options("onnx", output="class_map")
    row = gate.row("ties", model, IMAGES, maps, right, chosen, bounds)
    assert row.agreement == 1


def test_of_half_precision_one_rounding_is_left_out():
    """A pixel counts as wrong if its class is further off than 2**-11 of its value."""
    model = by_brightness()
    bounds = bounds_of("float16")
    right = reference(model, IMAGES, bounds)
    largest = np.abs(IMAGES / 255.0 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    assert right.slack(bounds) <= 1.2 * 3 * largest.max() * 2**-11


def test_of_integers_the_score_counts_where_there_is_one():
    wrong = expected(IMAGES, "class_map")
    wrong[0, :5] = 2  # 7.6 % of the pixels
    alone = _parity(wrong, "class_map", "int8")
    assert not alone.holds and "mIoU: not measured" in alone.table()
    for loss, holds in ((0.9, True), (1.1, False)):
        score = Score("scenes", 3, model=50.0, export=50.0 - loss)
        parity = _parity(wrong, "class_map", "int8", score)
        assert parity.holds is holds
        assert parity.as_data()["miou"]["export"] == 50 - loss
