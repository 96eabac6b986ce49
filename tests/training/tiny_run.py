"""A run small enough for tests: a two-layer network on a dozen tiny pictures.

As a program it trains into a folder, so that tests can kill it.
"""

import csv
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
from PIL import Image

from hyperseg_tf.pipelines import Normalise, RandomCrop, RandomFlip, RandomScale
from hyperseg_tf.recipes import Recipe

CLASSES = (
    "index,name,red,green,blue\n0,left,255,0,0\n1,right,0,255,0\n2,never,0,0,255\n"
)


def write_data(directory, train=7, val=3):
    """Write pictures whose left and right parts differ in brightness."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("val", val)):
        for kind in ("images", "labels"):
            (directory / split / kind).mkdir(parents=True)
        for i in range(count):
            label = np.zeros((13, 17), "uint8")
            label[:, rng.integers(4, 13) :] = 1
            noise = rng.integers(0, 100, (13, 17, 3))
            image = (noise + 120 * label[..., None]).astype("uint8")
            label[0] = 255
            Image.fromarray(image).save(directory / split / "images" / f"{i}.png")
            Image.fromarray(label).save(directory / split / "labels" / f"{i}.png")
    (directory / "classes.csv").write_text(CLASSES)
    return directory


def recipe(**changes) -> Recipe:
    values = {
        "preset": "two_layers",
        "train": (
            RandomScale(0.8, 1.3),
            RandomCrop(12, 14),
            RandomFlip(),
            Normalise(),
        ),
        "evaluate": (Normalise(),),
        "protocol": "own",
        "epochs": 3,
        "samples_per_epoch": 9,
        "batch_size": 2,
        "learning_rate": 0.03,
        "power": 0.9,
        "loss_k": 20,
        "overlays": 2,
        "evaluate_batch_size": 2,
    }
    return Recipe(**{**values, **changes})


def build(preset, num_classes, weights):
    assert preset == "two_layers"
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(5, 3, padding="same")(inputs)
    x = keras.layers.BatchNormalization(momentum=0.8)(x)
    x = keras.layers.Dropout(0.3)(keras.layers.ReLU()(x))
    x = keras.layers.Dropout(0.1)(x)
    return keras.Model(inputs, keras.layers.Conv2D(num_classes, 1)(x))


def on_two_devices(code):
    """Run code in a process with two logical CPUs, `devices` their names."""
    start = f"""
import sys, tensorflow as tf
sys.path[:0] = [{str(Path(__file__).parents[2])!r}]
two = [tf.config.LogicalDeviceConfiguration()] * 2
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, two)
from hyperseg_tf.training.train import train
from tests.training.tiny_run import build, recipe
devices = ["cpu:0", "cpu:1"]
"""
    command = [sys.executable, "-c", start + code]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


# Columns of log.csv that tell of time and memory, which are never the same twice.
MEASURED = ("images_per_s", "seconds", "waited", "memory_gib", "gpu_memory_gib")


def assert_same_run(a, b):
    """State, best model, best score and logs of two runs agree, bit for bit."""
    assert_same_state(a, b)
    one, two = (keras.models.load_model(out / "model.keras") for out in (a, b))
    for x, y in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)
    facts = [json.loads((out / "run.json").read_text()) for out in (a, b)]
    assert facts[0]["best"] == facts[1]["best"]
    assert _untimed(a) == _untimed(b)


def _untimed(out):
    with (out / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if k not in MEASURED} for row in rows]


def assert_same_state(a, b):
    """Weights, optimizer and step of two runs agree, bit for bit."""
    for x, y in zip(_state(a), _state(b), strict=True):
        np.testing.assert_array_equal(x, y)


def _state(out):
    model = keras.models.load_model(out / "latest.keras")
    variables = model.variables + model.optimizer.variables
    return [np.asarray(v) for v in variables if v.name != "seed_generator_state"]


def _main(data, out, epochs, save_every="10", devices="1"):
    """Train into a folder; `save_every` in minutes."""
    import tensorflow as tf

    names = None
    if int(devices) > 1:
        parts = [tf.config.LogicalDeviceConfiguration()] * int(devices)
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, parts)
        names = [f"cpu:{i}" for i in range(int(devices))]
    from hyperseg_tf.training.train import train

    options = {"save_every": float(save_every), "devices": names}
    train(recipe(epochs=int(epochs)), data, out, build=build, **options)


if __name__ == "__main__":
    _main(*sys.argv[1:])
