import math

import keras
import numpy as np
import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.training.plan import Plan
from hyperseg_tf.training.run_folder import RunFolder
from hyperseg_tf.training.state import DropoutSeeds, FiniteLoss, Position
from tests.training.tiny_run import recipe

PLAN = Plan(recipe(epochs=3, samples_per_epoch=20, batch_size=2))


def test_dropout_depends_on_seed_and_step_alone():
    def states(seed, step):
        model = keras.Sequential(
            [keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.Dropout(0.5)]
        )
        callback = DropoutSeeds(seed, Position(step, PLAN))
        callback.set_model(model)
        callback.on_epoch_begin(0)
        return [np.asarray(v).tolist() for v in model.variables]

    first, second = states(0, 7)
    assert first != second
    assert states(0, 7) == [first, second]
    assert first[1] == second[1] == 7
    assert states(1, 7)[0][0] != first[0]


def test_seed_states_count_the_steps_between_two_settings():
    # What makes a run that resumes in the middle of an epoch exact.
    dropout = keras.layers.Dropout(0.5)
    model = keras.Sequential([keras.Input((3,)), dropout, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    callback = DropoutSeeds(0, Position(20, PLAN))
    x = np.ones((6, 3), "float32")
    model.fit(x, x[:, :1], batch_size=2, callbacks=[callback], verbose=0)
    assert np.asarray(dropout.seed_generator.state)[1] == 23


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_loss_that_is_not_finite_stops(loss, tmp_path):
    callback = FiniteLoss(Position(3, PLAN), RunFolder(tmp_path))
    callback.on_train_batch_end(0, {"loss": 1.0})
    with pytest.raises(UserError, match="step 3"):
        callback.on_train_batch_end(0, {"loss": loss})
