import keras
import numpy as np
import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.training.losses import BootstrappedCrossEntropy
from hyperseg_tf.training.model import (
    build_model,
    compile_model,
    label_model,
    loss,
    twin_of,
)
from hyperseg_tf.training.optimizer import ScaledLoss, averaged_weights
from hyperseg_tf.training.plan import Plan
from hyperseg_tf.training.task import Task
from tests.training.tiny_run import build, recipe, write_data


def offline(preset, num_classes, weights):
    if weights == "imagenet":
        raise UserError("no connection")
    return build(preset, num_classes, weights)


def test_weights_that_may_be_random_are_the_seed_s():
    keras.utils.set_random_seed(0)
    plain, source = build_model(recipe(), 3, build)
    assert source == "random"
    keras.utils.set_random_seed(0)
    fallen_back, source = build_model(recipe(weights="imagenet-or-random"), 3, offline)
    assert source == "random"
    for a, b in zip(plain.get_weights(), fallen_back.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_that_must_be_there_are_missed():
    with pytest.raises(UserError, match="no connection"):
        build_model(recipe(weights="imagenet"), 3, offline)


def test_preset_that_is_unknown_is_answered_with_the_known_ones():
    with pytest.raises(UserError, match="'two_layers'.*hyperseg_s_camvid"):
        build_model(recipe(), 3)


@pytest.mark.parametrize("momentum, found", [(None, 0.8), (0.25, 0.25)])
def test_norm_momentum_replaces_the_network_s(momentum, found):
    model, _ = build_model(recipe(norm_momentum=momentum), 3, build)
    (norm,) = (x for x in model.layers if type(x) is keras.layers.BatchNormalization)
    assert norm.momentum == found


def test_compiled_model_has_the_recipe_s_optimizer():
    model, _ = build_model(recipe(), 3, build)
    compile_model(model, recipe(betas=(0.25, 0.75), epsilon=1e-3))
    optimizer = model.optimizer
    assert (optimizer.beta_1, optimizer.beta_2) == (0.25, 0.75)
    assert optimizer.epsilon == 1e-3
    assert float(optimizer.learning_rate) == pytest.approx(0.03)
    assert optimizer.built and int(optimizer.iterations) == 0


def test_rate_falls_by_step_or_by_epoch():
    by_step, by_epoch = (
        Plan(recipe(decay=decay)).schedule() for decay in ("step", "epoch")
    )
    assert float(by_step(3)) == pytest.approx(0.03 * (9 / 12) ** 0.9)
    assert float(by_epoch(3)) == pytest.approx(0.03)
    assert float(by_step(12)) == float(by_epoch(12)) == 0


def test_loss_is_the_recipe_s():
    bootstrapped = loss(recipe(loss_k=7, loss_threshold=0.5))
    assert isinstance(bootstrapped, BootstrappedCrossEntropy)
    assert (bootstrapped.k, bootstrapped.threshold) == (7, 0.5)
    logits = np.zeros((1, 2, 2, 3), "float32")
    logits[0, 0, 0, 0] = 100  # void, and wrong
    labels = np.array([[[255, 1], [2, 0]]], "uint8")
    plain = loss(recipe(loss="cross_entropy"))
    assert float(plain(labels, logits)) == pytest.approx(np.log(3), rel=1e-6)


class Labelled(keras.Model):
    """A network that takes metadata, as HyperSeg does."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(2)
        self.metadata = {"released": {"name": "m", "epoch": 7}, "other": 1}

    def set_metadata(self, metadata):
        self.metadata = metadata

    def call(self, x):
        return self.dense(x)

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls()


def test_label_says_what_the_file_s_user_must_know(tmp_path):
    how = recipe(void_is_class=True, read_labels="others=void")
    task = Task.open(how, write_data(tmp_path / "roads"))
    model = Labelled()
    label_model(model, task, {**task.facts(), "weights": "random"})
    assert model.metadata == {
        "released": {"name": "m"},
        "classes": ["left", "right", "never", "void"],
        "colours": [[255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 0, 0]],
        "trained_on": "roads",
        "protocol": "own",
        "recipe": task.recipe.as_data(),
        "weights": "random",
    }
    assert model.metadata["recipe"]["read_labels"] == "others=void"
    assert twin_of(model).metadata == model.metadata


def test_twin_has_variables_of_its_own():
    model = build("two_layers", 3, None)
    twin = twin_of(model)
    twin.set_weights([w + 1 for w in model.get_weights()])
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(a + 1, b)
    label_model(model, None, {})  # a plain network takes no label


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_maps_have_16_bits_and_weights_and_the_copy_have_32(precision):
    options = recipe(precision=precision, ema=0.9)
    model, _ = build_model(options, 3, build)
    compile_model(model, options)
    assert model.layers[1].compute_dtype == precision.removeprefix("mixed_")
    assert {weight.dtype for weight in model.trainable_weights} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"
    assert isinstance(model.optimizer, ScaledLoss) == (precision == "mixed_float16")
    averages = averaged_weights(model)
    assert [a.shape for a in averages] == [w.shape for w in model.weights]
