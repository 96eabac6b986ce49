"""Training, predict and an export see the same pixels of the same file.

A photograph that its camera held sideways, and pictures smaller than the network takes.
"""

import keras
import numpy as np
import pytest
from PIL import Image

from hyperseg_tf import export
from hyperseg_tf.base.pixels import normalise
from hyperseg_tf.cli import main
from hyperseg_tf.inference.pictures import read_picture
from hyperseg_tf.inference.predict import predict
from hyperseg_tf.inference.segmenter import Segmenter
from hyperseg_tf.pipelines import Normalise
from hyperseg_tf.training.task import Task
from tests.tiny_segmenter import NAMES, random_hyperseg, write_data
from tests.training.tiny_run import recipe

# Real exports are written, verified and loaded again.
pytestmark = pytest.mark.slow

SIDEWAYS, SMALL, FLAT = "sideways.jpg", "small.png", "flat.png"
# Upright.
SIZES = {SIDEWAYS: (44, 70), SMALL: (20, 20), FLAT: (7, 61)}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Train and val of the three pictures, with labels of their upright sizes."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        write_data(root, [], split, NAMES[:2])
        for name, (height, width) in SIZES.items():
            pixels = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
            options = {}
            if name == SIDEWAYS:
                # Turned by a quarter to the left, and EXIF says to turn it back.
                pixels, facts = np.rot90(pixels), Image.Exif()
                facts[0x0112] = 6
                options = {"exif": facts, "quality": 90}
            Image.fromarray(pixels).save(root / split / "images" / name, **options)
            label = np.zeros((height, width), np.uint8)
            label[:, width // 2 :] = 1
            path = root / split / "labels" / name
            Image.fromarray(label).save(path.with_suffix(".png"))
    return root


@pytest.fixture(scope="module")
def trained_on(data):
    """What training feeds to the network, uint8 (H, W, 3) by the name of the file."""
    plain = recipe(train=(Normalise(),), evaluate=(Normalise(),), batch_size=1)
    task = Task.open(plain, data)
    task.require()
    found = {}
    for images, labels in task.train_batches(0, as_bytes=True).batches.take(3):
        assert images.shape[1:3] == labels.shape[1:3]
        names = [n for n, size in SIZES.items() if size == tuple(images.shape[1:3])]
        found[names[0]] = images[0].numpy()
    assert found.keys() == SIZES.keys()
    return found


def contents(data, name):
    return (data / "train/images" / name).read_bytes()


def test_predict_reads_the_pixels_that_training_does(data, trained_on):
    for name, pixels in trained_on.items():
        found = read_picture(data / "train/images" / name)
        np.testing.assert_array_equal(found, pixels)


@pytest.fixture(scope="module")
def probe():
    """A network whose answer says what its input was: a sum of the channels."""
    inputs = keras.Input((None, None, 3))
    conv = keras.layers.Conv2D(2, 1, use_bias=False)
    model = keras.Model(inputs, conv(inputs), name="probe")
    kernel = np.zeros((1, 1, 3, 2), np.float32)
    kernel[0, 0, :, 1] = 1, 0.37, 0.11
    conv.set_weights([kernel])
    return model


def sums(pixels):
    """What the probe makes of pixels, float64 (H, W)."""
    return normalise(pixels.astype(np.float32)).astype(np.float64) @ (1, 0.37, 0.11)


def test_an_export_reads_the_pixels_that_training_does(
    data, trained_on, probe, tmp_path
):
    import tensorflow as tf

    loaded = tf.saved_model.load(
        str(export.write(probe, "saved_model", tmp_path / "x"))
    )
    endpoints = loaded.signatures
    encoded = tf.constant([contents(data, name) for name in trained_on])
    answer = {
        k: v.numpy() for k, v in endpoints["serve_bytes"](encoded=encoded).items()
    }
    for i, (name, pixels) in enumerate(trained_on.items()):
        height, width = pixels.shape[:2]
        assert answer["sizes"][i].tolist() == [height, width]
        confidence = answer["confidence"][i, :height, :width].astype(np.float64)
        sign = np.where(answer["class_map"][i, :height, :width] == 1, 1, -1)
        found = sign * np.log(confidence / (1 - confidence))
        # One grey level of blue, the least, is 0.0019.
        np.testing.assert_allclose(found, sums(pixels), atol=2e-4)
        logits = endpoints["serving_default"](images=tf.cast(pixels[None], tf.float32))
        np.testing.assert_allclose(logits["logits"][0, ..., 1], sums(pixels), atol=1e-5)
        by_segmenter = Segmenter(probe).logits(pixels[None])[0, ..., 1]
        np.testing.assert_allclose(by_segmenter, sums(pixels), atol=1e-5)
        in_python = predict(probe, data / "train/images" / name)
        np.testing.assert_array_equal(in_python, by_segmenter > 0)


@pytest.fixture(scope="module")
def commands(data, tmp_path_factory):
    """The folder of a model, its export and its predictions, each by its command."""
    out = tmp_path_factory.mktemp("commands")
    random_hyperseg().save(out / "model.keras")
    model = str(out / "model.keras")
    # The comparison before it appears has pictures below 32x32 then, too.
    small = "--max-pixels", "16384"
    assert main(["export", model, "--out", str(out / "export"), *small]) == 0
    pictures = str(data / "train/images")
    assert main(["predict", model, pictures, "--out", str(out / "maps")]) == 0
    return out


@pytest.fixture(scope="module")
def endpoints(commands):
    import tensorflow as tf

    loaded = tf.saved_model.load(str(commands / "export"))
    yield loaded.signatures


@pytest.mark.parametrize("name", SIZES)
def test_the_commands_agree_on_pictures_that_are_turned_or_small(
    data, trained_on, commands, endpoints, name
):
    import tensorflow as tf

    pixels = trained_on[name]
    written = Image.open(commands / "maps/classes" / f"{name.partition('.')[0]}.png")
    predicted = np.asarray(written)
    assert predicted.shape == pixels.shape[:2] == SIZES[name]
    found = {
        "serve_bytes": endpoints["serve_bytes"](
            encoded=tf.constant([contents(data, name)])
        )["class_map"],
        "serve_uint8": endpoints["serve_uint8"](images=pixels[None])["class_map"],
        "serving_default": tf.argmax(
            endpoints["serving_default"](images=tf.cast(pixels[None], tf.float32))[
                "logits"
            ],
            -1,
        ),
    }
    for endpoint, class_map in found.items():
        assert class_map.shape == (1, *SIZES[name]), endpoint
        assert (class_map[0].numpy() == predicted).mean() > 0.995, endpoint
    png = endpoints["serve_png"](encoded=tf.constant([contents(data, name)]))
    drawn = tf.io.decode_png(png["png_bytes"][0])[..., 0].numpy()
    np.testing.assert_array_equal(drawn, found["serve_bytes"][0].numpy())
