"""Class maps of pictures: one array, or files and folders to PNG files."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from hyperseg_tf import visualise
from hyperseg_tf.base import pixels
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.progress import Progress, bar
from hyperseg_tf.inference import pictures
from hyperseg_tf.inference.memory import out_of_memory
from hyperseg_tf.inference.segmenter import (
    Segmenter,
    best_classes,
    class_names,
    open_model,
)


def predict(model: keras.Model, image: np.ndarray) -> np.ndarray:
    """Return the class of every pixel.

    The model runs as it is, so a dynamic convolution compiled by XLA costs seconds once
    for every new size; the fused one, which "auto" takes where it can be had, does not.
    For many pictures take `Segmenter`: folded and traced once, it is several times
    quicker at every size.

    Args:
        model: A model with logits (B, H, W, C); its weights are read at every call.
        image: uint8 (H, W, 3) RGB, any size.

    Returns:
        uint8 (H, W) class indices.

    Raises:
        ValueError: `image` is no such array.
    """
    image = np.asarray(image)
    pixels.check_image(image)
    x, (height, width) = pixels.to_input(image[None])
    return best_classes(model(x, training=False)[:, :height, :width])[0]


@dataclass(frozen=True)
class Written:
    """One predicted picture: the input and the two files made of it."""

    source: Path
    classes: Path
    overlay: Path


@dataclass(frozen=True)
class Predictions:
    """What `predict_files` wrote, and one line per input that it could not read."""

    written: tuple[Written, ...]
    errors: tuple[str, ...]


def predict_files(
    model: keras.Model | str | Path,
    inputs: Iterable[str | Path],
    out: str | Path,
    *,
    image_size: tuple[int, int] | None = None,
    alpha: float = 0.5,
    max_pixels: int = pictures.MAX_PIXELS,
    progress: Progress | None = None,
) -> Predictions:
    """Predict picture files and whole folders of them.

    For each picture `out/classes` gets a PNG of class indices and `out/overlays` the
    picture under the class colours with a legend below, both at the picture's own
    size and upright where the camera noted how it was held. Folders are searched
    through and their structure is kept; with several folders, below the name of each.
    Where two pictures would get one name, the later keeps its suffix ("a.jpg.png").
    Inputs are never overwritten, and files in `out` are no inputs of a folder that
    contains it. Alpha is dropped, grey repeated, of 16 bits the upper 8 are kept.

    Args:
        model: A model, or its `.keras` file.
        inputs: Files and folders.
        out: Folder of the results; made where missing.
        image_size: (height, width) that pictures are resized to for the network.
        alpha: Weight of the colours in the overlay, 0..1.
        max_pixels: Largest picture for the network.
        progress: Called with (pictures done, pictures in all).

    Raises:
        UserError: The model cannot be read, `out` cannot be made, or no input names
            a picture. An unreadable picture is no error here but a line in `errors`.
    """
    out = Path(out)
    errors: list[str] = []
    found = list(pictures.find(inputs, out, errors))
    if not found:
        raise UserError(
            "; ".join(errors).rstrip(".") + "."
            if errors
            else "predict needs at least one picture or folder: got none."
        )
    for folder in pictures.PARTS:
        try:
            (out / folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"results are written to a folder: {out / folder}: {error.strerror}; "
                "name another --out."
            ) from None
    model = open_model(model)
    segmenter = Segmenter(model, image_size)
    num_classes = model.output_shape[-1]
    names = class_names(model) or [f"class {i}" for i in range(num_classes)]
    colours = getattr(model, "metadata", {}).get("colours")
    colours = visualise.palette(num_classes, colours)

    progress = progress or bar("predicting")
    written = []
    for done, (source, name) in enumerate(pictures.outputs(found, out), 1):
        limit = max_pixels if image_size is None else pictures.MAX_RESIZED_PIXELS
        try:
            image = pictures.read_picture(source, limit)
            label = segmenter.class_maps(image[None])[0]
        except UserError as error:
            errors.append(str(error))
        except Exception as error:
            if not out_of_memory(error):
                raise
            errors.append(
                f"{source}: memory does not suffice for {image.shape[1]}x"
                f"{image.shape[0]} pixels; shrink it or give the network a --size."
            )
        else:
            result = Written(source, out / "classes" / name, out / "overlays" / name)
            pictures.write_png(result.classes, label)
            picture = visualise.overlay(image, label, colours, alpha)
            present = visualise.classes_in(label, num_classes)
            picture = visualise.with_legend(
                picture, [names[i] for i in present], colours[present].tolist()
            )
            pictures.write_png(result.overlay, picture)
            written.append(result)
        progress(done, len(found))
    return Predictions(tuple(written), tuple(errors))
