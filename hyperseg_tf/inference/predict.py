"""Class maps of pictures: one array, or files and folders to PNG files."""

import errno
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from PIL import Image, ImageOps

from hyperseg_tf import visualise
from hyperseg_tf.base.atomic import atomic_file
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.progress import Progress, bar
from hyperseg_tf.inference.segmenter import (
    MIN_SIDE,
    Segmenter,
    check_images,
    class_names,
    normalise,
    open_model,
)

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")

# Pixels the network sees at once: HyperSeg-S takes some 0.5 KB for each on a CPU.
MAX_PIXELS = 12_000_000

# Pixels of a picture that is resized for the network, and of its overlay.
MAX_RESIZED_PIXELS = 150_000_000


def predict(model: keras.Model, image: np.ndarray) -> np.ndarray:
    """Return the class of every pixel.

    With the compiled dynamic convolution every new size costs seconds once; for
    pictures of many sizes take `predict_files`, `Segmenter` or
    `model.with_implementation("slices")`.

    Args:
        model: A model with logits (B, H, W, C); its weights are read at every call.
        image: uint8 (H, W, 3) RGB, any size.

    Returns:
        uint8 (H, W) class indices.

    Raises:
        ValueError: `image` is no such array.
    """
    image = np.asarray(image)
    if image.ndim != 3:
        raise ValueError(f"a picture is uint8 RGB (H, W, 3): got {image.shape}.")
    check_images(image[None])
    height, width = image.shape[:2]
    short = [(0, max(0, MIN_SIDE - side)) for side in (height, width)]
    x = np.pad(normalise(image[None]), [(0, 0), *short, (0, 0)])
    logits = keras.ops.convert_to_numpy(model(x, training=False))
    return logits[0, :height, :width].argmax(axis=-1).astype(np.uint8)


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
    max_pixels: int = MAX_PIXELS,
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
    found = list(_find(inputs, out, errors))
    if not found:
        raise UserError(
            "; ".join(errors).rstrip(".") + "."
            if errors
            else "predict needs at least one picture or folder: got none."
        )
    for folder in ("classes", "overlays"):
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
    for done, (source, name) in enumerate(_outputs(found, out), 1):
        limit = max_pixels if image_size is None else MAX_RESIZED_PIXELS
        try:
            image = read_picture(source, limit)
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
            _write_png(result.classes, label)
            picture = visualise.overlay(image, label, colours, alpha)
            present = visualise.classes_in(label, num_classes)
            picture = visualise.with_legend(
                picture, [names[i] for i in present], colours[present].tolist()
            )
            _write_png(result.overlay, picture)
            written.append(result)
        progress(done, len(found))
    return Predictions(tuple(written), tuple(errors))


def read_picture(path: str | Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read a picture file as uint8 (H, W, 3) RGB, upright.

    Raises:
        UserError: It is missing, no picture, damaged or larger than `max_pixels`.
    """
    path = Path(path)
    try:
        # The limit is ours: PIL's own warning would not say what to do.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                width, height = picture.size
                if width * height > max_pixels:
                    raise _too_large(path, f"{width}x{height}", max_pixels)
                picture.load()
                return _rgb(ImageOps.exif_transpose(picture), path)
    except Image.DecompressionBombError:
        raise _too_large(path, "far more", max_pixels) from None
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; correct the path.") from None
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        reason = getattr(error, "strerror", None) or "no picture or damaged"
        raise UserError(
            f"{path}: a picture must be readable: {reason}; replace or leave it out."
        ) from None


def _rgb(picture: Image.Image, path: Path) -> np.ndarray:
    if picture.mode.startswith("I;16"):
        grey = (np.asarray(picture).astype(np.uint16) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=-1)
    if picture.mode in ("I", "F"):
        raise UserError(
            f"{path}: a picture has 8 or 16 bits per channel: got 32; convert it."
        )
    if "transparency" in picture.info:
        # A palette with transparency: PIL asks for RGBA first.
        picture = picture.convert("RGBA")
    return np.asarray(picture.convert("RGB"))


def _too_large(path: Path, size: str, max_pixels: int) -> UserError:
    return UserError(
        f"{path}: a picture may have {max_pixels / 1e6:g} million pixels: got {size}; "
        "shrink it, or give the size for the network (--size HxW)."
    )


def _find(
    inputs: Iterable[str | Path], out: Path, errors: list[str]
) -> Iterable[tuple[Path, Path]]:
    """Yield (picture, where it lies relative to its input) once for every picture."""
    paths = [Path(path) for path in inputs]
    folders = [path for path in paths if path.is_dir()]
    own = [(out / part).resolve() for part in ("classes", "overlays")]
    seen = set()
    for path in paths:
        if not path.is_dir():
            if not path.exists():
                errors.append(f"{path}: no such file or folder; correct the path.")
                continue
            candidates = [(path, Path(path.name))]
        else:
            top = Path(path.resolve().name if len(folders) > 1 else "")
            candidates = [
                (file, top / file.relative_to(path)) for file in _pictures(path, own)
            ]
            if not candidates:
                errors.append(
                    f"{path}: a folder of pictures has files {', '.join(SUFFIXES)}: "
                    "found none; name another."
                )
        for file, relative in candidates:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file, relative


def _pictures(folder: Path, skip: list[Path]) -> list[Path]:
    found = []
    for directory, folders, files in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if name[:1] != "." and Path(directory, name).resolve() not in skip
        )
        found += [
            Path(directory, name)
            for name in sorted(files)
            if name[:1] != "." and name.lower().endswith(SUFFIXES)
        ]
    return found


def _outputs(found: list[tuple[Path, Path]], out: Path) -> Iterable[tuple[Path, Path]]:
    """Yield (picture, name of its results): all different, none of them an input."""
    inputs = {source.resolve() for source, _ in found}
    taken = set()

    def free(name: Path) -> bool:
        # Some file systems do not tell upper from lower case.
        targets = [(out / part / name).resolve() for part in ("classes", "overlays")]
        return str(name).lower() not in taken and not inputs.intersection(targets)

    for source, relative in found:
        name = relative.with_suffix(".png")
        if not free(name):
            name = relative.with_name(relative.name + ".png")
        number = 2
        while not free(name):
            name = relative.with_name(f"{relative.stem}_{number}.png")
            number += 1
        taken.add(str(name).lower())
        yield source, name


def out_of_memory(error: Exception) -> bool:
    """Whether this is how Python, TensorFlow or the system say it."""
    if (
        isinstance(error, MemoryError)
        or type(error).__name__ == "ResourceExhaustedError"
    ):
        return True
    return isinstance(error, OSError) and error.errno == errno.ENOMEM


def _write_png(path: Path, pixels: np.ndarray) -> None:
    with atomic_file(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")
