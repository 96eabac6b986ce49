"""Files of pictures: which ones, what is in them, and where their results go."""

import os
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import keras
import numpy as np
from PIL import Image

from hyperseg_tf.base.atomic import atomic_file
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.limit import Limit
from hyperseg_tf.base.orientation import upright
from hyperseg_tf.base.picture_file import (
    FORMATS,
    SUFFIXES,
    BadPicture,
    header_size,
    open_header,
)
from hyperseg_tf.base.pixels import DARKEST_OF_16_BITS, MIN_SIDE
from hyperseg_tf.base.regular_file import open_regular
from hyperseg_tf.inference.inputs import absent, left_out, no_picture
from hyperseg_tf.inference.memory import out_of_memory

# Folders of the results; the last ones where they are asked for.
PARTS = ("classes", "overlays", "confidence", "explained")

_DEEP = ("I;16", "LA;16", "RGB;16", "RGBA;16", "RGBX;16")

# Pixels the network sees at once, padding included: for each HyperSeg-S takes some
# 0.2 KB on a CPU, and 0.5 KB without the custom ops.
MAX_PIXELS = 12_000_000

# Pixels of a picture that is resized for the network or seen through windows, and of
# its overlay.
MAX_RESIZED_PIXELS = 150_000_000
DECODED = Limit(MAX_RESIZED_PIXELS, multiple=1)


def limit_for(
    model: keras.Model,
    image_size: tuple[int, int] | int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Limit:
    """What a picture for this model may have; more if it is resized for the network."""
    if image_size is not None:
        return DECODED
    return Limit(max_pixels, size_multiple(model))


def size_multiple(model: keras.Model) -> int:
    """What the model pads the sides of pictures to, in pixels."""
    return getattr(getattr(model, "preset", None), "size_multiple", MIN_SIDE)


def find(
    inputs: Iterable[str | Path],
    out: Path,
    errors: list[str],
    notes: list[str] | None = None,
) -> Iterator[tuple[Path, Path]]:
    """Yield (picture, where it lies relative to its input) once for every picture.

    What is no file but has the name of a picture is yielded, too: reading it says what
    it is. Folders that are links are searched, each folder once, however many links
    lead to it, so that loops end.

    Args:
        inputs: Files and folders; with several folders, a picture lies below the name
            of its own.
        out: Folder of the results; what lies in its `PARTS` is no input of a folder.
        errors: Gets a line for each input that does not exist or has no pictures, and
            for each folder that cannot be listed.
        notes: Gets a line for each folder in which something was left out.
    """
    inputs = [str(path) for path in inputs]
    paths = [Path(path) for path in inputs]
    folders = [path for path in paths if os.path.isdir(path)]
    own = [_real(out / part) for part in PARTS]
    seen = set()
    for given, path in zip(inputs, paths, strict=True):
        if not os.path.isdir(path):
            if not os.path.lexists(path):
                errors.append(absent(given))
                continue
            candidates = [(path, Path(path.name))]
        else:
            top = Path(_real(path).name if len(folders) > 1 else "")
            before = len(errors)
            candidates = [
                (file, top / file.relative_to(path))
                for file in _below(path, own, errors, notes)
            ]
            if not candidates and len(errors) == before:
                errors.append(
                    f"{path}: a folder of pictures has files {', '.join(SUFFIXES)}: "
                    "found none; name another."
                )
        for file, relative in candidates:
            if _real(file) not in seen:
                seen.add(_real(file))
                yield file, relative


def _below(folder: Path, skip: list[Path], errors: list[str], notes) -> list[Path]:
    def unlisted(error: OSError) -> None:
        errors.append(
            f"{error.filename}: a folder of pictures can be listed: {error.strerror}; "
            "see to its permissions or leave it out."
        )

    found = []
    entered = {_real(folder), *skip}
    for directory, folders, files in os.walk(
        folder, onerror=unlisted, followlinks=True
    ):
        inner = {name: _real(Path(directory, name)) for name in sorted(folders)}
        folders[:] = []
        for name, real in inner.items():
            if name[:1] != "." and real not in entered:
                entered.add(real)
                folders.append(name)
        note = left_out(directory, sorted(files))
        if notes is not None and note:
            notes.append(note)
        found += [
            Path(directory, name)
            for name in sorted(files)
            if name[:1] != "." and name.lower().endswith(SUFFIXES)
        ]
    return found


def _real(path: Path) -> Path:
    """The path without links; of a loop of links, which `Path.resolve` refuses, too."""
    return Path(os.path.realpath(path))


def outputs(found: list[tuple[Path, Path]], out: Path) -> Iterator[tuple[Path, Path]]:
    """Yield (picture, name of its results): all different, none of them an input.

    Args:
        found: From `find`.
        out: Folder of the results, which lie in its `PARTS`.
    """
    inputs = {_real(source) for source, _ in found}
    # Some file systems do not tell upper from lower case. Folders have names, too.
    taken = {str(folder).lower() for _, path in found for folder in path.parents}

    def free(name: Path) -> bool:
        targets = [_real(out / part / name) for part in PARTS]
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


def read_picture(path: str | Path, limit: Limit | None = None) -> np.ndarray:
    """Read a picture file as uint8 (H, W, 3) RGB, upright by its EXIF.

    Args:
        path: A regular file, or a link to one.
        limit: Of its size, which is known before anything is decoded; None for
            `MAX_PIXELS`.

    Raises:
        UserError: It is missing, no picture, damaged or larger than `limit`.
        MemoryError: There is not enough.
    """
    path = Path(path)
    try:
        with open_regular(path) as file:
            return decoded(file, path, limit or Limit(MAX_PIXELS))
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; correct the path.") from None
    except BadPicture as error:
        raise _unreadable(path, error.kind or "no picture or damaged") from None
    except Exception as error:
        if out_of_memory(error):
            raise
        # Decoders raise anything on damaged files: struct.error, KeyError, ...
        reason = getattr(error, "strerror", None) or "no picture or damaged"
        raise _unreadable(path, reason) from None


def decoded(file: BinaryIO, path: Path, limit: Limit) -> np.ndarray:
    """What `read_picture` makes of an open file; `path` is what messages call it."""
    with open_header(file) as picture:
        height, width = header_size(picture)
        check_size(height, width, limit, path)
        deep = _is_deep(picture)
        pixels = rgb(upright(picture), path)
    if deep and pixels.max() < DARKEST_OF_16_BITS:
        raise _too_dark(path, int(pixels.max()))
    return pixels


def _is_deep(picture: Image.Image) -> bool:
    """Whether the file, of which nothing was decoded, has 16 bits per channel."""
    # "I;16B", "RGB;16B"; but a "BGR;16" of BMP shares 16 bits among three channels.
    stored = (tile[3] for tile in picture.tile)
    modes = (mode if isinstance(mode, str) else (*mode, "")[0] for mode in stored)
    return any(str(mode).startswith(_DEEP) for mode in modes)


def rgb(picture: Image.Image, path: str | Path) -> np.ndarray:
    """The pixels of a picture that is open, uint8 (H, W, 3).

    Args:
        path: What an error calls it.

    Raises:
        UserError: It has 32 bits per channel.
    """
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


def _too_dark(path: Path, brightest: int) -> UserError:
    return UserError(
        f"{path}: of 16 bits the upper 8 are used: no value above {brightest} of 255 "
        "there, as of 12 bits in 16; multiply its values to fill the range."
    )


def check_size(height: int, width: int, limit: Limit, path: str | Path) -> None:
    """Raise `UserError` where a picture is larger than a limit.

    Args:
        path: What the error calls it.
    """
    if limit.holds(height, width):
        return
    # Nothing is padded where the network sees a part, or a smaller picture.
    way_out = ", or give the size for the network (--size HxW)" * (limit.multiple > 1)
    raise UserError(
        f"{path}: a picture may have {limit}: got {width}x{height}; shrink it{way_out}."
    )


def _unreadable(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path}: a picture is a readable {', '.join(FORMATS)} file: {reason}; "
        f"{no_picture(path)}."
    )


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write uint8 (H, W) or (H, W, 3), atomically."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(png_of(pixels))


def png_of(pixels: np.ndarray) -> bytes:
    """uint8 (H, W) or (H, W, 3) as a PNG file."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()
