"""Class maps of pictures: one array, or files and folders to PNG files."""

import functools
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from hyperseg_tf import visualise
from hyperseg_tf.base import pixels
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.progress import Progress, bar
from hyperseg_tf.inference import pictures
from hyperseg_tf.inference.drawing import Drawing
from hyperseg_tf.inference.explain import Explainer
from hyperseg_tf.inference.finite import NotFinite, check_finite
from hyperseg_tf.inference.memory import out_of_memory
from hyperseg_tf.inference.one_file import OneFile, Written
from hyperseg_tf.inference.one_picture import one_picture
from hyperseg_tf.inference.passes import Passes
from hyperseg_tf.inference.preprocess import Picture
from hyperseg_tf.inference.segmenter import (
    Segmenter,
    best_classes,
    open_model,
)
from hyperseg_tf.inference.stages import in_stages
from hyperseg_tf.network.bundled import MODELS, is_bundled


def predict(
    model: keras.Model | str | Path,
    image: Picture | Sequence[Picture],
    *,
    probabilities: bool = False,
    max_pixels: int = pictures.MAX_PIXELS,
) -> np.ndarray | list[np.ndarray]:
    """Return the class of every pixel.

    The model runs as it is, so a dynamic convolution compiled by XLA costs seconds once
    for every new size; the fused one, which "auto" takes where it can be had, does not.
    For many pictures take `Segmenter`: folded and traced once, it is several times
    quicker at every size. What is too large to be seen at once is seen through windows,
    in bounded memory, as `predict_files` and the command do. A bundled model is shown
    the picture at the size that it was trained on.

    Args:
        model: A model with logits (B, H, W, C), whose weights are read at every call; a
            `.keras` file, the folder of a run or the name of a bundled model, which is
            loaded at every call.
        image: uint8 (H, W, 3) RGB of any size; or what `one_picture` takes: a path, a
            `PIL.Image`, RGBA, grey. Or a list of these, of any sizes.
        probabilities: Return those of all classes instead.
        max_pixels: Of a picture that the network sees as a whole, padding included;
            larger ones are seen through windows of the size that the preset is for.
            Probabilities of all classes are not made of these.

    Returns:
        uint8 (H, W) class indices, or float32 (H, W, C) probabilities, which add up to
        1; of a list a list of these.

    Raises:
        ValueError: `image` is none of these; the message says what it seems to be.
        UserError: A file cannot be read, the picture is larger than any that is
            predicted, or the model gives infinite or undefined logits.
    """
    several = isinstance(image, list | tuple)
    images = [one_picture(one) for one in (image if several else [image])]
    side = MODELS[str(model)].short_side if is_bundled(model) else None
    model = open_model(model)
    limit = pictures.limit_for(model, side, max_pixels)
    segmenter = functools.cache(lambda: Segmenter(model, side, max_pixels=max_pixels))
    answers = []
    for one in images:
        large = not limit.holds(*one.shape[:2])
        if probabilities:
            pictures.check_size(*one.shape[:2], limit, "the picture")
        if not probabilities and (side or large):
            answers.append(segmenter().class_maps(one[None])[0])
            continue
        logits = segmenter().logits(one[None]) if side else _logits(model, one)
        check_finite(logits)
        if probabilities:
            shares = keras.ops.softmax(keras.ops.cast(logits, "float32"))
            answers.append(keras.ops.convert_to_numpy(shares)[0])
        else:
            answers.append(best_classes(logits)[0])
    return answers if several else answers[0]


def _logits(model: keras.Model, image: np.ndarray):
    """Logits (1, H, W, C) of a picture, uint8 (H, W, 3)."""
    x, (height, width) = pixels.to_input(image[None])
    return model(x, training=False)[:, :height, :width]


@dataclass(frozen=True)
class Predictions:
    """What `predict_files` wrote.

    Attributes:
        written: One for each picture.
        errors: One line per input that gave no class map.
        notes: One line per folder in which files of other kinds were left out, one on
            the size that a bundled model is shown, and one where overlays have other
            colours than the model's classes.
    """

    written: tuple[Written, ...]
    errors: tuple[str, ...]
    notes: tuple[str, ...] = ()


def predict_files(
    model: keras.Model | str | Path,
    inputs: Iterable[str | Path],
    out: str | Path,
    *,
    image_size: tuple[int, int] | int | None = None,
    alpha: float = 0.5,
    view: str = "overlay",
    confidence: bool = False,
    explain: bool = False,
    like: str | Path | None = None,
    passes: Passes | None = None,
    max_pixels: int = pictures.MAX_PIXELS,
    progress: Progress | None = None,
    each: Callable[[Written], None] | None = None,
) -> Predictions:
    """Predict picture files and whole folders of them.

    For each picture `out/classes` gets a PNG of class indices and `out/overlays` the
    picture under the class colours (others where these are too alike) with a legend
    below, both at the picture's own size and upright where the camera noted how it was
    held. Folders are searched through and their structure is kept; with several
    folders, below the name of each.
    Where two pictures would get one name, the later keeps its suffix ("a.jpg.png").
    Inputs are never overwritten, and files in `out` are no inputs of a folder that
    contains it. Alpha is dropped, grey repeated, of 16 bits the upper 8 are kept.

    Args:
        model: A model, its `.keras` file, the folder of its run, or the name of a
            bundled one.
        inputs: Files and folders.
        out: Folder of the results; made where missing.
        image_size: What pictures are resized to for the network, (height, width) or
            the shorter side; None leaves them as they are, but for a bundled model,
            which is shown pictures of the size that it was trained on unless `passes`
            say otherwise.
        alpha: Weight of the colours in the overlay, 0..1.
        view: How overlays are drawn, one of `visualise.VIEWS`.
        confidence: Write `out/confidence`, too: the probability of each pixel's class
            as grey of 0..255, at the picture's own size.
        explain: Write `out/explained`, too: the overlay, the probability of each
            pixel's class, and where the generated weights are unlike those seen in
            training.
        like: Folder, or file, of pictures of the training to compare with; None for
            what `train` wrote into the model.
        passes: Windows, sizes and mirror images of every picture; None for one pass.
        max_pixels: Of a picture that the network sees as a whole, padding included;
            larger ones are seen through windows of the size that the preset is for.
        progress: Called with (pictures done, pictures in all).
        each: Called with every picture whose files are written.

    Raises:
        UserError: The model cannot be read, `out` cannot be made, no input names
            a picture, or `explain` is asked of a model that generates no weights or
            has nothing to compare them with. What is wrong with one picture is no error
            here but a line in `errors`: it is no file, unreadable or too large, the
            model's logits for it are not finite, or its results cannot be written.
        ValueError: `image_size` and windows at once; there is no such view.
        OSError: The disk is full.
    """
    out = Path(out)
    errors: list[str] = []
    notes: list[str] = []
    found = list(pictures.find(inputs, out, errors, notes))
    if not found:
        raise UserError(
            "; ".join(errors).rstrip(".") + "."
            if errors
            else "predict needs at least one picture or folder: got none."
        )
    if image_size is None and passes in (None, Passes()) and is_bundled(model):
        image_size = MODELS[str(model)].short_side
        notes.append(
            f"{model} is shown pictures of {image_size} pixels at the shorter side, as "
            "it was trained on; --size HxW, or SIDE, takes another size"
        )
    # Before `out` is made: it may have the name of a bundled model.
    model = open_model(model)
    if view not in visualise.VIEWS:
        raise ValueError(
            f"a view is one of {', '.join(visualise.VIEWS)}: got {view!r}."
        )
    segmenter = Segmenter(model, image_size, passes, max_pixels)
    explainer = None
    if explain or like is not None:
        explainer = Explainer(model, segmenter, like and _pictures_of(like))
    wanted = {"confidence": confidence, "explained": explainer is not None}
    parts = [part for part in pictures.PARTS if wanted.get(part, True)]
    for folder in parts:
        try:
            (out / folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"results are written to a folder: {out / folder}: {error.strerror}; "
                "name another --out."
            ) from None
    draw = Drawing(model, alpha, view)
    if draw.note:
        notes.append(draw.note)
    files = OneFile(segmenter, draw, explainer)
    progress = progress or bar("predicting")
    written = []
    todo = [
        Written(
            source,
            *(out / part / name for part in ("classes", "overlays")),
            **{part: out / part / name for part in wanted if wanted[part]},
        )
        for source, name in pictures.outputs(found, out)
    ]
    with closing(in_stages(todo, files.read, files.answer, files.write)) as stages:
        for done, (result, explanation) in enumerate(stages, 1):
            try:
                result = replace(result, explanation=explanation.result())
            except NotFinite as error:
                errors.append(f"{result.source}: {error}")
            except UserError as error:
                errors.append(str(error))
            except Exception as error:
                if not out_of_memory(error):
                    raise
                errors.append(
                    f"{result.source}: memory does not suffice; shrink it, give the "
                    "network a --size or smaller windows (--window)."
                )
            else:
                written.append(result)
                if each:
                    each(result)
            progress(done, len(found))
    return Predictions(tuple(written), tuple(errors), tuple(notes))


def _pictures_of(like: str | Path) -> list[Path]:
    errors: list[str] = []
    found = [path for path, _ in pictures.find([like], Path(like) / "_", errors)]
    if not found:
        raise UserError("; ".join(errors).rstrip(".") + ".")
    return found
