import keras
import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf.training.losses import (
    BootstrappedCrossEntropy,
    CrossEntropy,
    Dice,
    Focal,
    LovaszSoftmax,
    OnlineHardExamples,
    WeightedSum,
)
from tests.training.losses import by_hand
from tests.training.losses.by_hand import draw

WEIGHTS = (0.5, 2.0, 1.0, 0.0, 3.0)
ONES = (1,) * 5
ALL = {
    "bootstrapped": BootstrappedCrossEntropy(20),
    "cross_entropy": CrossEntropy(),
    "weighted": CrossEntropy(WEIGHTS),
    "focal": Focal(),
    "ohem": OnlineHardExamples(20),
    "dice": Dice(),
    "lovasz": LovaszSoftmax(),
    "sum": WeightedSum([Focal(1.5, WEIGHTS), Dice(0.0), LovaszSoftmax()], (1, 0.5, 2)),
}
every_loss = pytest.mark.parametrize("loss", ALL.values(), ids=ALL)


def value_and_gradient(loss, labels, logits):
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(labels, logits)
    return float(value), tape.gradient(value, logits).numpy()


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("gamma", [0, 0.5, 2.0])
def test_focal_loss(gamma, weights):
    labels, logits = draw()
    want = by_hand.focal(labels, logits, gamma, weights or ONES)
    assert float(Focal(gamma, weights)(labels, logits)) == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_cross_entropy_is_the_weighted_mean_over_all_labelled_pixels(weights):
    labels, logits = draw()
    labels[0, :5] = 255  # images of unlike numbers of labelled pixels
    want = by_hand.focal(labels, logits, 0, weights or ONES)
    assert float(CrossEntropy(weights)(labels, logits)) == pytest.approx(want, rel=1e-5)
    if weights is None:
        plain = keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, ignore_class=255
        )
        assert float(plain(labels, logits)) == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize(("k", "probability"), [(3, 0.7), (60, 0.01), (1000, 0.3)])
def test_hard_examples_are_chosen_over_the_batch(k, probability, weights):
    labels, logits = draw()
    logits[0] *= 4  # the hardest are mostly here
    want = by_hand.ohem(labels, logits, k, probability, weights or ONES)
    loss = OnlineHardExamples(k, probability, class_weights=weights)
    assert float(loss(labels, logits)) == pytest.approx(want, rel=1e-5)


def test_weights_of_a_bootstrapped_loss_weigh_the_mean_and_not_the_choice():
    labels, logits = draw((1, 7, 11))
    for k, threshold in ((5, 1.5), (30, 50.0)):
        classes, p = by_hand.own(labels, logits)
        losses = -np.log(p)
        chosen = np.argsort(-losses)[: max(k, (losses > threshold).sum())]
        each = np.array(WEIGHTS)[classes][chosen]
        want = (each * losses[chosen]).sum() / each.sum()
        loss = BootstrappedCrossEntropy(k, threshold, class_weights=WEIGHTS)
        assert float(loss(labels, logits)) == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("smooth", [0.0, 1.0, 50.0])
def test_dice(smooth):
    labels, logits = draw()
    labels[labels == 2] = 3  # absent from the labels, not from the logits
    want = by_hand.dice(labels, logits, smooth)
    assert float(Dice(smooth)(labels, logits)) == pytest.approx(want, rel=1e-5)


def test_lovasz():
    labels, logits = draw()
    labels[labels == 2] = 3
    want = by_hand.lovasz(labels, logits)
    assert float(LovaszSoftmax()(labels, logits)) == pytest.approx(want, rel=1e-5)


def test_lovasz_of_certain_predictions_is_one_minus_iou():
    labels, logits = draw((2, 7, 11), 3, void_share=0.3)
    logits = 100 * np.eye(3, dtype="float32")[logits.argmax(-1)]
    keep, found = labels != 255, logits.argmax(-1)
    want = np.mean(
        [
            by_hand.jaccard_loss(labels[keep] == i, found[keep] == i)
            for i in np.unique(labels[keep])
        ]
    )
    assert float(LovaszSoftmax()(labels, logits)) == pytest.approx(want, rel=1e-6)


def test_a_sum_has_its_factors():
    labels, logits = draw()
    parts = [CrossEntropy(), Dice(), LovaszSoftmax()]
    a, b, c = (float(part(labels, logits)) for part in parts)
    assert float(WeightedSum(parts, (1, 0.5, 3))(labels, logits)) == pytest.approx(
        a + b / 2 + 3 * c
    )


@every_loss
def test_void_has_no_influence_and_no_gradient(loss):
    labels, logits = draw()
    void = labels == 255
    changed = logits + 100 * void[..., None] * np.arange(5, dtype="float32")
    value, gradient = value_and_gradient(loss, labels, logits)
    again, other = value_and_gradient(loss, labels, changed)
    assert value == again > 0
    np.testing.assert_array_equal(gradient, other)
    assert not gradient[void].any() and gradient[~void].any()


@every_loss
def test_void_alone_is_a_loss_of_zero(loss):
    labels, logits = draw()
    value, gradient = value_and_gradient(loss, np.full_like(labels, 255), logits)
    assert value == 0 and not gradient.any()


@every_loss
def test_one_image_of_void_and_one_class_alone_give_numbers(loss):
    labels, logits = draw()
    labels[1] = 255
    labels[labels != 255] = 4
    for scale in (1, 1000):  # and certain predictions, right and wrong ones
        value, gradient = value_and_gradient(loss, labels, scale * logits)
        assert value > 0 and np.isfinite(value) and np.isfinite(gradient).all()
    right = 1000 * np.eye(5, dtype="float32")[np.where(labels == 255, 0, labels)]
    value, gradient = value_and_gradient(loss, labels, right)
    assert value == pytest.approx(0, abs=1e-5) and np.isfinite(gradient).all()


@every_loss
def test_labels_come_in_three_forms(loss):
    labels, logits = draw()
    want = value_and_gradient(loss, labels, logits)
    one_hot = np.eye(256, dtype="float32")[labels][..., :5]
    for form in (labels[..., None], one_hot, one_hot.astype("uint8")):
        value, gradient = value_and_gradient(loss, form, logits)
        assert value == want[0]
        np.testing.assert_array_equal(gradient, want[1])


@pytest.mark.slow
@every_loss
def test_sizes_may_be_unknown(loss):
    sizes = [tf.TensorSpec([None] * 3, tf.uint8), tf.TensorSpec([None] * 3 + [5])]

    @tf.function(input_signature=sizes)
    def graph(labels, logits):
        value = loss(labels, logits)
        return value, tf.gradients(value, logits)[0]

    labels, logits = draw()
    value, gradient = value_and_gradient(loss, labels, logits)
    found = graph(labels, logits)
    assert float(found[0]) == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(found[1], gradient, rtol=1e-5, atol=1e-8)


@every_loss
def test_a_broken_pixel_shows(loss):
    labels, logits = draw(void_share=0)
    for bad in (np.nan, np.inf):
        logits[0, 2, 3] = bad
        assert np.isnan(loss(labels, logits))


@every_loss
def test_the_mean_over_images_is_the_loss(loss):
    labels, logits = draw()
    config = keras.losses.serialize(loss)
    config["config"]["reduction"] = None
    each = keras.losses.deserialize(config)(labels, logits)
    assert each.shape == (3,)
    assert np.mean(each) == pytest.approx(float(loss(labels, logits)), rel=1e-6)


@every_loss
def test_a_step_down_the_gradient_is_a_smaller_loss(loss):
    labels, logits = draw()
    value, gradient = value_and_gradient(loss, labels, logits)
    step = 0.01 * gradient / np.abs(gradient).max()
    assert float(loss(labels, logits - step)) < value


def test_what_is_no_label_is_refused_with_both_shapes():
    labels, logits = draw((1, 7, 11))
    for wrong in (labels[0], labels[:, 1:], np.zeros((1, 7, 11, 3), "uint8")):
        with pytest.raises(ValueError, match=r"one-hot.*\(1, 7, 11, 5\)"):
            Dice()(wrong, logits)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Focal(-1.0), "gamma"),
        (lambda: Dice(-1.0), "smooth"),
        (lambda: OnlineHardExamples(probability=1.0), "probability"),
        (lambda: CrossEntropy((0.0, 0.0)), "not all 0"),
        (lambda: CrossEntropy((-1.0, 2.0)), "at least 0"),
        (lambda: WeightedSum([Dice()], (1, 2)), "one factor"),
        (lambda: WeightedSum([Dice()], (0,)), "positive"),
        (lambda: CrossEntropy((1.0, 2.0))(*draw()), "got 2 for 5 classes"),
    ],
)
def test_impossible_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("loss", [CrossEntropy(), Dice()])
def test_images_are_weighed_and_pixels_are_not(loss):
    labels = np.random.default_rng(0).integers(0, 3, (2, 4, 5))
    logits = np.random.default_rng(1).normal(size=(2, 4, 5, 3)).astype("float32")
    plain = loss(labels, logits)
    np.testing.assert_allclose(loss(labels, logits, np.ones(2)), plain, rtol=1e-6)
    with pytest.raises(ValueError, match=r"sample_weight \(B,\): got \(2, 4, 5\)"):
        loss(labels, logits, sample_weight=np.ones(labels.shape))
