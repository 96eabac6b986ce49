"""Where a picture's generated weights are unlike those seen in training."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from hyperseg_tf.base import pixels
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.inference import pictures, windows
from hyperseg_tf.inference.seen import METADATA, Seen, wanted_pictures
from hyperseg_tf.inference.segmenter import Segmenter
from hyperseg_tf.inference.signals import Signals, cell_size, signals_of
from hyperseg_tf.network.hypernetwork import require_generated

# Of the training's patches; of what is like them, the rest is more unlike.
RARE = 99
_UNSURE = 0.5


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One picture in numbers.

    Attributes:
        unlike: Share of the picture whose weights are more unlike those of training
            than 99 % of the training's own patches; about 0.01 is usual.
        typical: Median over the picture of the percentage of the training's patches
            that are less unlike, 0..100; about 50 is usual.
        farthest: (row, column) of a pixel in the most unlike patch.
        unsure: Share of the picture whose class has a probability below one half.
        confidence: Median of the probabilities.
    """

    unlike: float
    typical: float
    farthest: tuple[int, int]
    unsure: float
    confidence: float

    def __str__(self) -> str:
        row, column = self.farthest
        return (
            f"half of it has weights more unlike the training's than "
            f"{self.typical:.0f} % of the training's patches (usual: 50 %), "
            f"{100 * self.unlike:.1f} % of it more than {RARE} % (usual: "
            f"{100 - RARE} %), most at row {row}, column {column}; "
            f"{100 * self.unsure:.1f} % of it has a confidence below {_UNSURE:g}"
        )


class Explainer:
    """Maps of how unlike a picture's weights are, made as its class map is.

    Windows and sizes are those of the segmenter; of several scales and mirror images
    the picture as it is.

    Args:
        model: Generates weights.
        segmenter: Of the model.
        like: Files of pictures that it was trained on, some dozens, or what another
            explainer made of them; None takes what `train` wrote into the model.

    Raises:
        UserError: The model generates no weights, knows nothing of its training and
            `like` is None, or what it knows is damaged; none of `like` can be used.
    """

    def __init__(
        self,
        model: keras.Model,
        segmenter: Segmenter,
        like: Sequence[str | Path] | Seen | None = None,
    ) -> None:
        require_generated(model, "--explain (explain)")
        self._model = model
        self._segmenter = segmenter
        self._signals = signals_of(model)
        if isinstance(like, Seen):
            self.seen = like
        else:
            self.seen = self._read() if like is None else self._look_at(like)

    def __call__(
        self, image: np.ndarray, confidence: np.ndarray
    ) -> tuple[np.ndarray, Explanation]:
        """Explain one picture.

        Args:
            image: uint8 (H, W, 3).
            confidence: Probability of each pixel's class, (H, W).

        Returns:
            The percentage of the training's patches that are less unlike, float32
            (H, W) of 0..100, and the numbers.

        Raises:
            UserError: The signal is not finite.
        """
        size = image.shape[:2]
        scores = windows.class_maps(
            lambda crops: self._scores(crops[0])[None, ..., None],
            lambda blended: blended[..., 0],
            image[None],
            self._segmenter.window(size) or size,
            self._segmenter.passes.overlap,
        )[0]
        percent = self.seen.percent(scores)
        row, column = np.unravel_index(int(np.argmax(scores)), size)
        return percent, Explanation(
            unlike=float(np.mean(percent > RARE)),
            typical=float(np.median(percent)),
            farthest=(int(row), int(column)),
            unsure=float(np.mean(confidence < _UNSURE)),
            confidence=float(np.median(confidence)),
        )

    def _scores(self, image):
        """float32 (H, W), one score in all pixels of a patch."""
        signal, network_size = self._signal(image)
        if not np.isfinite(signal).all():
            raise UserError(
                "the signal must be finite: the model gives infinite or undefined "
                "values; it may have diverged, take an earlier one."
            )
        scores = self.seen.unlikeness(signal).astype(np.float32)
        cell = cell_size(self._model, network_size)
        places = [
            (2 * np.arange(side) + 1) * seen // (2 * side) // length
            for side, seen, length in zip(
                image.shape[:2], network_size, cell, strict=True
            )
        ]
        return scores[np.ix_(*places)]

    def _signal(self, image):
        """(h, w, C) of an image as the network sees it, and the size of that."""
        x, size = pixels.to_input(
            image[None], self._segmenter.network_size(image.shape[:2])
        )
        height, width = (
            -(-side // cell)
            for side, cell in zip(size, cell_size(self._model, size), strict=True)
        )
        return self._signals(x[0])[:height, :width], size

    def _read(self):
        data = self._model.metadata.get(METADATA)
        if data is None:
            raise UserError(
                "a picture is explained beside those of training: the model has "
                "nothing of them, as models trained by this version have; add --like "
                "FOLDER (like=...) with some dozens of the pictures it was trained on."
            )
        channels = self._signals(np.zeros((pixels.MIN_SIDE,) * 2 + (3,), "float32"))
        try:
            return Seen.from_data(data, channels.shape[-1])
        except ValueError as error:
            raise UserError(
                f"{str(error).rstrip('.')}; add --like FOLDER (like=...) instead."
            ) from None

    def _look_at(self, files):
        found, wanted = [], len(files)
        order = np.random.default_rng(0).permutation(len(files))
        for place in order:
            if len(found) >= wanted:
                break
            image = pictures.read_picture(files[place], pictures.DECODED)
            parts = [self._signal(part)[0] for part in self._parts(image)]
            rows = [part.reshape(-1, part.shape[-1]) for part in parts]
            found.append(np.concatenate(rows))
            wanted = min(wanted, wanted_pictures(len(found[0])))
        seen = Seen.of(found)
        if seen is None:
            raise UserError(
                "--like (like) has pictures that differ, some dozens, two at least: "
                f"got {len(files)}, of which none can be compared; name others."
            )
        return seen

    def _parts(self, image):
        window = self._segmenter.window(image.shape[:2])
        if window is None:
            return [image]
        tall, broad = (min(a, b) for a, b in zip(window, image.shape[:2], strict=True))
        tops = windows.starts(image.shape[0], tall, 0)
        lefts = windows.starts(image.shape[1], broad, 0)
        return [image[y : y + tall, x : x + broad] for y in tops for x in lefts]


def seen_of(signals: Signals, images: Iterable[np.ndarray]) -> Seen | None:
    """What the weights of a model are like for pictures of its training.

    Args:
        signals: Of the model, `signals_of`.
        images: float32 (H, W, 3) each, normalised; no more are taken than needed.

    Returns:
        None where these are too few, or the network is not finite.
    """
    found = []
    for image in images:
        short = [(0, max(0, pixels.MIN_SIDE - side)) for side in image.shape[:2]]
        signal = signals(np.pad(image, [*short, (0, 0)]))
        found.append(signal.reshape(-1, signal.shape[-1]))
        if len(found) >= wanted_pictures(len(found[0])):
            break
    return Seen.of(found)
