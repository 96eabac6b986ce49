"""Folders of images and labels to read, sound ones and pieces to break them with."""

import warnings

import numpy as np
from PIL import Image

from hyperseg_tf.pipelines import ClassTable, check, open_dataset

THREE = ClassTable(
    ("road", "car", "tree"), ((128, 64, 128), (0, 0, 0), (1, 255, 0)), (255,)
)

VALUES = np.arange(35).reshape(5, 7) % 3


def image(path, height=5, width=7, seed=0, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
    Image.fromarray(pixels.astype(np.uint8)).save(path, **options)


def label(path, values, palette=None, bits=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.asarray(values, np.uint8))
    if palette is not None:
        picture = picture.convert("L")
        picture = Image.frombytes("P", picture.size, picture.tobytes())
        picture.putpalette(palette)
    picture.save(path, **({"bits": bits} if bits else {}))


TWO = ClassTable(("road", "car"), ((10, 20, 30), (0, 0, 0)), (9, 255))
TWO_VALUES = np.array([[0, 1, 9, 0], [1, 1, 0, 255], [0, 0, 0, 0]], np.uint8)


def write_two_classes(root):
    """Train and val of three pairs each, with pixels of two classes and of void."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            (root / split / kind).mkdir(parents=True)
        for name in ("a", "b", "c"):
            pixels = rng.integers(0, 256, (3, 4, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(root / split / "images" / f"{name}.png")
            Image.fromarray(TWO_VALUES).save(root / split / "labels" / f"{name}.png")
    TWO.write(root / "classes.csv")
    return root


def findings(folder, split="train"):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return [str(finding) for finding in check(open_dataset(folder, split))]
