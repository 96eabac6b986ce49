"""Picture files for the verification of exports: what cameras write, not only PNG.

An export that decoded a JPEG by another rule, or turned it otherwise than `predict`,
would agree on every array and differ on every photograph. So photographs go through its
endpoints for bytes, and what comes is held against the model on the same files, read as
`predict` reads them.
"""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from hyperseg_tf.base.limit import Limit
from hyperseg_tf.base.orientation import TAG
from hyperseg_tf.base.picture_file import open_header
from hyperseg_tf.export.signature import CLASS_MAP, PNG, SIZES
from hyperseg_tf.inference.pictures import read_picture

# Format, orientation, whether the numbers of its EXIF begin with the high byte.
_KINDS = (
    ("JPEG", 1, False),
    ("JPEG", 6, True),
    ("JPEG", 8, False),
    ("JPEG", 3, True),
    ("JPEG", 5, False),
    ("PNG", 7, True),
)
# Requests have two of them, upright and turned beside each other.
AT_ONCE = 2

_SIZE = (61, 90)
# For exports that take less: a frame around both ways up is 31 pixels to a side.
_SMALL_SIZE = (29, 31)

# For the program that loads an export: `requests` are lists of files, `out` gets what
# came of request i as "photographs_i_ENDPOINT_NAME".
ASK = f"""
for i, files in enumerate(requests):
    encoded = tf.constant(files)
    answer = endpoints["serve_bytes"](**{{encoded_name: encoded}})
    for name in ("{CLASS_MAP}", "{SIZES}"):
        out["photographs_%d_serve_bytes_%s" % (i, name)] = answer[name].numpy()
    answer = endpoints["serve_png"](**{{encoded_name: encoded}})
    out["photographs_%d_serve_png_{SIZES}" % i] = answer["{SIZES}"].numpy()
    for place, file in enumerate(answer["{PNG}"].numpy()):
        file = np.frombuffer(file, np.uint8)
        out["photographs_%d_serve_png_{PNG}_%d" % (i, place)] = file
"""


def photographs(
    rng: np.random.Generator,
    picture: Callable[[np.random.Generator, int, tuple[int, int]], np.ndarray],
    limit: Limit,
) -> list[bytes]:
    """Files of every way up that a camera has, `AT_ONCE` of which make a request.

    Args:
        rng: What they are drawn from.
        picture: Makes uint8 (count, H, W, 3).
        limit: What a request may have.
    """
    frame = max(_SIZE)
    size = _SIZE
    if AT_ONCE * limit.padded(frame, frame) > limit.pixels:
        size = _SMALL_SIZE
    images = picture(rng, len(_KINDS), size)
    files = []
    for image, (kind, orientation, big) in zip(images, _KINDS, strict=True):
        exif = Image.Exif()
        exif.endian = ">" if big else "<"
        exif[TAG] = orientation
        buffer = BytesIO()
        # As cameras: colours at half the size, and steps that are not exact.
        options = {"quality": 75, "subsampling": 2} if kind == "JPEG" else {}
        Image.fromarray(image).save(buffer, kind, exif=exif, **options)
        files.append(buffer.getvalue())
    return files


def as_predicted(files: list[bytes], scratch: Path) -> list[np.ndarray]:
    """What `predict` reads of each file, uint8 (H, W, 3).

    Args:
        files: From `photographs`.
        scratch: A folder to write them to.
    """
    images = []
    for file in files:
        path = scratch / "photograph"
        path.write_bytes(file)
        images.append(read_picture(path))
    return images


def answers(
    found: dict[str, np.ndarray], images: list[np.ndarray]
) -> Iterator[tuple[str, list[tuple[int, int]], list[np.ndarray]]]:
    """Yield endpoint, sizes and class maps (H, W) in the order of the photographs.

    Args:
        found: What `ASK` has left.
        images: From `as_predicted`; of a frame a class map is what is in its place.
    """
    for endpoint in ("serve_bytes", "serve_png"):
        sizes, class_maps = [], []
        for i, image in enumerate(images):
            prefix, place = f"photographs_{i // AT_ONCE}_{endpoint}_", i % AT_ONCE
            sizes.append(tuple(found[prefix + SIZES][place].tolist()))
            if endpoint == "serve_png":
                class_maps.append(_decoded(found[f"{prefix}{PNG}_{place}"]))
            else:
                height, width = image.shape[:2]
                class_maps.append(found[prefix + CLASS_MAP][place, :height, :width])
        yield endpoint, sizes, class_maps


def _decoded(png: np.ndarray) -> np.ndarray:
    header = open_header(BytesIO(png.tobytes()), ("PNG",))
    # As stored: a palette or colours would be another answer.
    return np.asarray(header)
