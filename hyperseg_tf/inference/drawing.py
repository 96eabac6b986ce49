"""A model's answers as pictures for people."""

import keras
import numpy as np

from hyperseg_tf import visualise
from hyperseg_tf.inference.segmenter import class_names


class Drawing:
    """Overlays in the colours and with the names of a model's classes.

    Args:
        model: Says how many classes there are, and perhaps their names and colours.
        alpha: Weight of the colours, 0..1.
        view: One of `visualise.VIEWS`.

    Attributes:
        note: What is said where the model's colours are not those drawn, or None.
    """

    def __init__(
        self, model: keras.Model, alpha: float = 0.5, view: str = "overlay"
    ) -> None:
        self.num_classes = model.output_shape[-1]
        names = class_names(model)
        self.names = names or [f"class {i}" for i in range(self.num_classes)]
        colours = getattr(model, "metadata", {}).get("colours")
        self.colours = visualise.drawn_palette(self.num_classes, colours)
        self.note = visualise.said_of_colours(self.names, colours)
        self.alpha = alpha
        self.view = view

    def __call__(self, image: np.ndarray, label: np.ndarray) -> np.ndarray:
        """Picture (H, W, 3) and classes (H, W) to a picture with a legend, uint8."""
        how = (self.view, self.alpha)
        picture = visualise.drawn(image, label, self.colours, *how)
        present = visualise.classes_in(label, self.num_classes)
        names = [self.names[i] for i in present]
        return visualise.with_legend(picture, names, self.colours[present].tolist())

    def explained(
        self,
        image: np.ndarray,
        label: np.ndarray,
        confidence: np.ndarray,
        percent: np.ndarray,
        title: str,
    ) -> np.ndarray:
        """The overlay beside what explains it, as `visualise.explained`, uint8.

        Args:
            image: uint8 (H, W, 3).
            label: Classes (H, W).
            confidence: Their probabilities (H, W).
            percent: Of the training's patches that are less unlike, (H, W).
            title: Above the panels.
        """
        present = visualise.classes_in(label, self.num_classes)
        return visualise.explained(
            image,
            visualise.overlay(image, label, self.colours, self.alpha),
            confidence,
            percent,
            title,
            [self.names[i] for i in present],
            self.colours[present].tolist(),
        )
