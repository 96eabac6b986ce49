"""One picture file: read, answered, and what is made of it written."""

import errno
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hyperseg_tf import visualise
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.limit import Limit
from hyperseg_tf.inference import pictures
from hyperseg_tf.inference.drawing import Drawing
from hyperseg_tf.inference.explain import Explainer, Explanation
from hyperseg_tf.inference.memory import out_of_memory
from hyperseg_tf.inference.segmenter import Segmenter

# Larger pictures are not read ahead, and none is written beside them.
_AHEAD = Limit(2**24, multiple=1)


@dataclass(frozen=True)
class Written:
    """One predicted picture: the input, the files made of it, what explains it."""

    source: Path
    classes: Path
    overlay: Path
    confidence: Path | None = None
    explained: Path | None = None
    explanation: Explanation | None = None


class Answer(NamedTuple):
    """What the network says of a picture (H, W), and the picture."""

    image: np.ndarray
    label: np.ndarray
    sure: np.ndarray | None
    percent: np.ndarray | None
    explanation: Explanation | None


class OneFile:
    """The three stages of `in_stages`, for the `Written` of a picture."""

    def __init__(
        self, segmenter: Segmenter, draw: Drawing, explainer: Explainer | None
    ) -> None:
        self._segmenter, self._draw, self._explainer = segmenter, draw, explainer

    def read(self, result: Written) -> np.ndarray | None:
        """uint8 (H, W, 3), ahead of its turn; None for `answer` to read it."""
        limit = min(_AHEAD, pictures.DECODED, key=lambda limit: limit.pixels)
        try:
            return pictures.read_picture(result.source, limit)
        except UserError:
            return None  # Too large; or broken, of which `answer` says the same.

    def answer(self, result: Written, image: np.ndarray | None) -> Answer:
        """Ask the network.

        Raises:
            UserError: What is wrong with this picture.
        """
        if image is None:
            image = pictures.read_picture(result.source, pictures.DECODED)
        sure = explanation = percent = None
        if result.confidence is None and self._explainer is None:
            label = self._segmenter.class_maps(image[None])[0]
        else:
            maps = self._segmenter.confident_maps(image[None])
            label, sure = (each[0] for each in maps)
        if self._explainer is not None:
            try:
                percent, explanation = self._explainer(image, sure)
            except UserError as error:
                raise UserError(f"{result.source}: {error}") from None
        return Answer(image, label, sure, percent, explanation)

    def write(self, result: Written, answer: Answer) -> Explanation | None:
        """Write the files.

        Raises:
            UserError: What is wrong with the names of the results.
            OSError: The disk is full, so that no other picture can be written either.
        """
        image, label, sure, percent, explanation = answer
        draw = self._draw
        try:
            pictures.write_png(result.classes, label)
            if result.confidence is not None:
                pictures.write_png(result.confidence, visualise.shades(sure))
            pictures.write_png(result.overlay, draw(image, label))
            if explanation is not None:
                title = f"{result.source.name}: {explanation}"
                panels = draw.explained(image, label, sure, percent, title)
                pictures.write_png(result.explained, panels)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT) or out_of_memory(error):
                raise
            raise UserError(
                f"{result.source}: its class map and overlay can be written: "
                f"{error.filename or result.classes}: {error.strerror or error}; "
                "rename it or name another --out."
            ) from None
        return explanation
