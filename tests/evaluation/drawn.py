"""Label maps of several classes and predictions that are partly wrong."""

import numpy as np


def maps(height=61, width=83, classes=5, seed=0, void_share=0.05):
    """A label with objects of many sizes, and a prediction near it: uint8 (H, W)."""
    rng = np.random.default_rng(seed)
    label = np.zeros((height, width), np.uint8)
    for _ in range(25):
        top, left = rng.integers(0, height), rng.integers(0, width)
        size = rng.integers(1, 30, 2)
        label[top : top + size[0], left : left + size[1]] = rng.integers(0, classes)
    prediction = np.roll(label, rng.integers(-3, 4, 2), (0, 1))
    wrong = rng.random(label.shape) < 0.05
    prediction[wrong] = rng.integers(0, classes, wrong.sum())
    label[rng.random(label.shape) < void_share] = 255
    return label, prediction
