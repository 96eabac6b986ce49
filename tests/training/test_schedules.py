import json

import keras
import numpy as np
import pytest

from hyperseg_tf.training.schedules import PolyDecay
from tests.golden import golden_dir


def test_golden_rates():
    for case in json.loads((golden_dir() / "op_poly_lr.json").read_text()):
        schedule = PolyDecay(case["lr0"], case["power"], case["total"])
        pairs = case.get("iteration_and_lr") or list(enumerate(case["lr"]))
        got = [float(schedule(step)) for step, _ in pairs]
        np.testing.assert_allclose(got, [rate for _, rate in pairs], rtol=1e-6)


def test_rate_stays_zero_after_the_end():
    schedule = PolyDecay(0.1, 0.9, steps=7)
    assert float(schedule(7)) == float(schedule(1000)) == 0


def test_rate_may_change_once_per_epoch():
    schedule = PolyDecay(1e-4, 3.0, steps=160 * 5, every=5)
    whole = PolyDecay(1e-4, 3.0, steps=160)
    for step in (0, 4, 5, 11, 799):
        assert float(schedule(step)) == pytest.approx(float(whole(step // 5)), rel=1e-6)


def test_first_steps_are_warmed_up():
    warm, cold = PolyDecay(0.2, 0.9, 50, warmup=4), PolyDecay(0.2, 0.9, 50)
    shares = [float(warm(step) / cold(step)) for step in range(6)]
    assert shares == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])
    # The share grows within an epoch in which the decay stands still.
    by_epoch = PolyDecay(0.2, 0.9, 50, every=10, warmup=4)
    assert float(by_epoch(1)) == pytest.approx(0.1)


def test_optimizer_uses_and_saves_it():
    optimizer = keras.optimizers.Adam(PolyDecay(0.5, 2.0, steps=4))
    variable = keras.Variable(np.zeros(3, "float32"))
    optimizer.apply([np.ones(3, "float32")], [variable])
    assert float(optimizer.learning_rate) == pytest.approx(0.5 * 0.75**2)
    config = json.loads(json.dumps(keras.optimizers.serialize(optimizer)))
    copy = keras.optimizers.deserialize(config)
    assert float(copy.learning_rate) == 0.5


@pytest.mark.parametrize(
    "arguments",
    [(0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 1, 1, 0), (1, 1, 1, 1, -1)],
)
def test_impossible_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match="must be"):
        PolyDecay(*arguments)
