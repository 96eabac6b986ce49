"""Models and data for tests of what happens around the network.

`by_brightness` is a network whose answer can be worked out by hand; `random_hyperseg`
is a real one whose random weights give logits that differ.
"""

import functools

import keras
import numpy as np
from PIL import Image

from tests.calibrated import calibrate, pictures

NAMES = ("dark", "bright", "never")
COLOURS = ((200, 0, 0), (0, 200, 0), (0, 0, 200))


def by_brightness(names=NAMES, channels=3):
    """Class 1 where a pixel is brighter than the ImageNet mean, else class 0."""
    inputs = keras.Input((None, None, 3))
    conv = keras.layers.Conv2D(channels, 1)
    model = keras.Model(inputs, conv(inputs), name="by_brightness")
    kernel = np.zeros((1, 1, 3, channels), "float32")
    kernel[..., 0], kernel[..., 1] = -1, 1
    conv.set_weights([kernel, np.array([0, 0] + [-20] * (channels - 2), "float32")])
    model.metadata = {}
    if names is not None:
        colours = [list(colour) for colour in COLOURS[: len(names)]]
        colours += [[9, 9, i] for i in range(len(names) - len(colours))]
        model.metadata = {"classes": list(names), "colours": colours}
    return model


def random_hyperseg(num_classes=3):
    from hyperseg_tf import HyperSeg

    model = HyperSeg.from_preset("hyperseg_tiny", num_classes=num_classes)
    model.set_weights(_random_weights(num_classes))
    model.set_metadata(
        {
            "classes": [*NAMES, "d", "e"][:num_classes],
            "colours": [*map(list, COLOURS), None, None][:num_classes],
        }
    )
    return model


@functools.cache
def _random_weights(num_classes):
    """Made once in a process: calibrating takes seconds."""
    from hyperseg_tf import HyperSeg

    keras.utils.set_random_seed(0)
    # Nothing to compile for the one step of training that calibrating is.
    model = HyperSeg.from_preset(
        "hyperseg_tiny", num_classes=num_classes, implementation="einsum"
    )
    # Running statistics of real activations, as the logits of a fresh network hardly
    # differ; weaker generated kernels, as level by level rounding errors multiply.
    calibrate(model, pictures(8, 128, 192))
    for weight in model.weights:
        if "weights_" in weight.path:
            weight.assign(0.3 * weight)
    return model.get_weights()


def write_data(directory, labels, split="val", names=NAMES, images=None):
    """Write an own folder; pictures are dark where the label is 0, else bright."""
    rows = [
        f"{i},{name},{COLOURS[i % 3][0]},{COLOURS[i % 3][1]},{COLOURS[i % 3][2] + i}"
        for i, name in enumerate(names)
    ]
    for kind in ("images", "labels"):
        (directory / split / kind).mkdir(parents=True, exist_ok=True)
    text = "\n".join(["index,name,red,green,blue", *rows]) + "\n"
    (directory / "classes.csv").write_text(text)
    for i, label in enumerate(labels):
        label = np.asarray(label, np.uint8)
        image = np.where(label == 0, 10, 240).astype(np.uint8)
        image = np.repeat(image[..., None], 3, axis=-1) if images is None else images[i]
        Image.fromarray(image).save(directory / split / "images" / f"{i}.png")
        Image.fromarray(label).save(directory / split / "labels" / f"{i}.png")
    return directory
