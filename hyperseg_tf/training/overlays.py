"""Pictures of what the network makes of a few validation samples, epoch by epoch."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from PIL import Image

from hyperseg_tf.base.atomic import atomic_file
from hyperseg_tf.base.constants import VOID
from hyperseg_tf.base.pixels import denormalise
from hyperseg_tf.evaluation.metrics import mean_iou
from hyperseg_tf.training.run_folder import RunFolder
from hyperseg_tf.visualise import Compared, compared


class Overlays(keras.callbacks.Callback):
    """Draw fixed validation samples: image, label, prediction, errors, and a legend.

    Above each stand its name and its mIoU.

    Args:
        predict: (1, H, W, 3) float32 normalised -> logits (1, H, W, classes).
        samples: (image (H, W, 3) float32 normalised, label (H, W) uint8) each.
        names: Of the samples.

    `pictures` are the newest ones, uint8 (H', W', 3), one for each sample.
    """

    def __init__(
        self,
        folder: RunFolder,
        predict: Callable[[Any], Any],
        samples: Sequence[tuple[np.ndarray, np.ndarray]],
        names: Sequence[str],
        class_names: Sequence[str],
        colours: Sequence[tuple[int, int, int]],
    ):
        super().__init__()
        self.folder = folder
        self.predict = predict
        self.samples = list(zip(samples, names, strict=True))
        self.class_names = class_names
        self.colours = colours
        self.pictures = []

    def on_epoch_end(self, epoch, logs=None):
        rows = [self._row(*sample, name) for sample, name in self.samples]
        picture = compared(rows, self.class_names, self.colours)
        with atomic_file(self.folder.overlays / f"epoch_{epoch + 1:04d}.png") as path:
            Image.fromarray(picture).save(path)
        self.pictures = [
            compared([row], self.class_names, self.colours) for row in rows
        ]

    def _row(self, image: np.ndarray, label: np.ndarray, name: str) -> Compared:
        logits = ops.convert_to_numpy(self.predict(image[None]))[0]
        prediction = logits.argmax(-1).astype("uint8")
        score = mean_iou(_counts(label, prediction, len(self.class_names)))
        shown = "-" if np.isnan(score) else f"{score:.4f}"
        title = f"{name}  mIoU {shown}"
        return Compared(denormalise(image), label, prediction, title)


def _counts(label: np.ndarray, prediction: np.ndarray, classes: int) -> np.ndarray:
    """Confusion matrix (classes, classes) of one picture, void left out."""
    there = label != VOID
    cells = classes * label[there].astype(np.int64) + prediction[there]
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)
