"""Files of pictures: which ones, what is in them, and where their results go."""

import os
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from hyperseg_tf.base.atomic import atomic_file
from hyperseg_tf.base.errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")

# Folders of the results.
PARTS = ("classes", "overlays")

# Pixels the network sees at once: for each HyperSeg-S takes some 0.2 KB on a CPU, and
# 0.5 KB without the custom ops.
MAX_PIXELS = 12_000_000

# Pixels of a picture that is resized for the network, and of its overlay.
MAX_RESIZED_PIXELS = 150_000_000


def find(
    inputs: Iterable[str | Path], out: Path, errors: list[str]
) -> Iterator[tuple[Path, Path]]:
    """Yield (picture, where it lies relative to its input) once for every picture.

    Args:
        inputs: Files and folders; with several folders, a picture lies below the name
            of its own.
        out: Folder of the results; what lies in its `PARTS` is no input of a folder.
        errors: Gets a line for each input that does not exist or has no pictures.
    """
    paths = [Path(path) for path in inputs]
    folders = [path for path in paths if path.is_dir()]
    own = [(out / part).resolve() for part in PARTS]
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
                (file, top / file.relative_to(path)) for file in _below(path, own)
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


def _below(folder: Path, skip: list[Path]) -> list[Path]:
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


def outputs(found: list[tuple[Path, Path]], out: Path) -> Iterator[tuple[Path, Path]]:
    """Yield (picture, name of its results): all different, none of them an input.

    Args:
        found: From `find`.
        out: Folder of the results, which lie in its `PARTS`.
    """
    inputs = {source.resolve() for source, _ in found}
    taken = set()

    def free(name: Path) -> bool:
        # Some file systems do not tell upper from lower case.
        targets = [(out / part / name).resolve() for part in PARTS]
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


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write uint8 (H, W) or (H, W, 3), atomically."""
    with atomic_file(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")
