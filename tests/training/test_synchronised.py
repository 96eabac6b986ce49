"""The real network on two devices is that on one device with the whole batch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

_RUN = """
import json, sys
import keras, numpy as np, tensorflow as tf
devices, steps, out, optimizer = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)
from hyperseg_tf import HyperSeg
from hyperseg_tf.training import devices as sharing
from hyperseg_tf.training.losses import BootstrappedCrossEntropy
from hyperseg_tf.training.optimizer import PartedAdam

rng = np.random.default_rng(0)
images = rng.normal(size=(4, 64, 64, 3)).astype("float32")
images[2:] = 4 * images[2:] + 3  # The halves differ.
labels = rng.integers(0, 3, (4, 64, 64)).astype("uint8")
data = tf.data.Dataset.from_tensors((images, labels)).repeat(steps)
with sharing.scope([f"cpu:{i}" for i in range(devices)]):
    keras.utils.set_random_seed(0)
    model = HyperSeg.from_preset("hyperseg_tiny", num_classes=3)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
        if hasattr(layer, "drop_rate"):
            layer.drop_rate = 0.0
    # Weaker kernels: random ones magnify rounding from level to level.
    for weight in model.weights:
        if "weights_" in weight.path:
            weight.assign(0.3 * weight)
    model.compile(
        eval(optimizer), BootstrappedCrossEntropy(500), jit_compile=False
    )
losses = []
keep = keras.callbacks.LambdaCallback(
    on_train_batch_end=lambda batch, logs: losses.append(float(logs["loss"]))
)
class Reset(keras.callbacks.Callback):
    # The loss of one step, not the mean of all.
    def on_train_batch_begin(self, batch, logs=None):
        self.model.reset_metrics()
model.fit(data, epochs=1, callbacks=[Reset(), keep], verbose=0)
np.savez(out, **{w.path: np.asarray(w) for w in model.weights})
print(json.dumps(losses))
"""


def _train(devices, steps, out, optimizer):
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(devices), str(steps), str(out), optimizer],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr[-3000:]
    weights = np.load(out)
    return json.loads(done.stdout.splitlines()[-1]), dict(weights)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("steps", "optimizer", "statistics"),
    [
        # Steps as large as the gradients: a random network makes much of rounding, and
        # more with every step.
        pytest.param(1, "keras.optimizers.SGD(1e-2)", 2e-5, marks=pytest.mark.grid),
        # What training does: clipped, and small.
        (20, "PartedAdam(1e-3, epsilon=1.0, global_clipnorm=1.0)", 4e-5),
    ],
)
def test_two_devices_compute_what_one_computes(tmp_path, steps, optimizer, statistics):
    (one, weights), (two, others) = (
        _train(n, steps, tmp_path / f"{n}.npz", optimizer) for n in (1, 2)
    )
    assert len(one) == steps
    np.testing.assert_allclose(two, one, atol=1e-5)
    assert sum("moving_" in name for name in weights) == 94
    for name, expected in weights.items():
        # All weights have moved by their gradients; those of the stem by more than 1.
        scale = max(1.0, np.abs(expected).max())
        bound = statistics if "moving_" in name else 1e-4
        np.testing.assert_allclose(
            others[name], expected, atol=bound * scale, err_msg=name
        )


_CLIPPED = """
import json, sys
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)
from hyperseg_tf.training import devices as sharing
from hyperseg_tf.training.optimizer import PartedAdam

x = np.arange(8, dtype="float32").reshape(4, 2)
y = np.array([[1], [5], [-9], [30]], "float32")  # The halves pull to either side.
for count in (1, 2):
    with sharing.scope([f"cpu:{i}" for i in range(count)]):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        optimizer = PartedAdam(0.1, epsilon=1.0, global_clipnorm=0.5)
        model.compile(optimizer, "mse", jit_compile=False)
    model.fit(tf.data.Dataset.from_tensors((x, y)).repeat(3), verbose=0)
    print(json.dumps([w.ravel().tolist() for w in model.get_weights()]))
"""


@pytest.mark.slow
def test_gradients_are_clipped_by_the_norm_of_the_whole_batch():
    done = subprocess.run(
        [sys.executable, "-c", _CLIPPED],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = map(json.loads, done.stdout.splitlines())
    for expected, found in zip(one, two, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)
