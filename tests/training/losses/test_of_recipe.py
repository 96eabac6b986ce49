import numpy as np
import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.training import class_weights
from hyperseg_tf.training.losses import CrossEntropy, Dice, Focal, OnlineHardExamples
from hyperseg_tf.training.losses.of_recipe import loss
from hyperseg_tf.training.task import Task
from tests.training.losses.by_hand import draw
from tests.training.tiny_run import recipe, write_data


def test_every_field_reaches_its_loss():
    ohem = loss(recipe(loss="ohem", loss_k=7, loss_probability=0.4))
    assert isinstance(ohem, OnlineHardExamples)
    assert (ohem.k, ohem.probability) == (7, 0.4)
    focal = loss(
        recipe(loss="focal", loss_gamma=3.0, loss_class_weights=(1, 2)), (1, 2)
    )
    assert isinstance(focal, Focal)
    assert (focal.gamma, focal.class_weights) == (3.0, (1, 2))
    assert isinstance(loss(recipe(loss="dice")), Dice)
    weighed = recipe(loss="bootstrapped", loss_class_weights="balanced")
    assert loss(weighed, (1.0, 2.0)).class_weights == (1.0, 2.0)
    with pytest.raises(ValueError, match="class weights are the recipe's"):
        loss(weighed)


def test_several_are_added_with_their_factors():
    labels, logits = draw()
    both = loss(recipe(loss=("cross_entropy", "dice"), loss_factors=(1, 0.5)))
    want = float(CrossEntropy()(labels, logits)) + float(Dice()(labels, logits)) / 2
    assert float(both(labels, logits)) == pytest.approx(want)
    half = loss(recipe(loss="dice", loss_factors=(0.5,)))
    assert float(half(labels, logits)) == pytest.approx(
        float(Dice()(labels, logits)) / 2
    )


def test_balanced_weights_are_the_median_share_by_the_share(tmp_path):
    data = write_data(tmp_path / "data")
    task = Task.open(recipe(loss_class_weights="balanced"), data)
    counts = {"train": [10, 40, 0, 5], "val": [1, 1, 1, 1]}
    assert class_weights.of_run(task, counts) == (2.5, 0.625, 0.0)
    void = recipe(loss_class_weights="balanced", void_is_class=True)
    found = class_weights.of_run(Task.open(void, data), counts)
    np.testing.assert_allclose(found, (1, 0.25, 0, 2))
    listed = Task.open(recipe(loss_class_weights=(1.0, 2.0)), data)
    with pytest.raises(UserError, match="got 2 for the 3 classes left, right, never"):
        class_weights.of_run(listed, counts)
    assert class_weights.of_run(Task.open(recipe(), data), {}) is None
