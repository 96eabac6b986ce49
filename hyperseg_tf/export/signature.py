"""What every exported format says alike: names of inputs and outputs, and the facts.

Whatever the format, pictures go in as RGB 0..255, not normalised, and class maps come
out as uint8. A SavedModel has more endpoints than the others, and `VOID` where there is
no picture.
"""

import hashlib
import json
from pathlib import Path

import keras
import numpy as np

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.limit import Limit
from hyperseg_tf.base.versions import versions
from hyperseg_tf.export.bounds import bounds_of
from hyperseg_tf.export.options import FREE, Options
from hyperseg_tf.inference.pictures import size_multiple
from hyperseg_tf.inference.segmenter import class_names
from hyperseg_tf.visualise import palette

# Inputs: float32 or uint8 (B, H, W, 3), 0..255; string (B,), JPEG or PNG files.
IMAGES, ENCODED = "images", "encoded"

# Outputs: float32 (B, H, W, C); uint8 (B, H, W); float32 (B, H, W), the softmax of that
# class; int32 (B, 2), height and width.
LOGITS, CLASS_MAP, CONFIDENCE, SIZES = "logits", "class_map", "confidence", "sizes"

# Output: string (B,), grey PNG files whose values are class numbers. The REST interface
# of TensorFlow Serving writes strings in base64 only where their name ends like this.
PNG = "png_bytes"

# Where a file's own metadata have the facts.
FACTS_KEY = "hyperseg_tf"


def request_limit(model: keras.Model, max_pixels: int) -> Limit:
    """What one request to an export may have.

    Raises:
        UserError: `max_pixels` is too small for two pictures of the smallest size.
    """
    limit = Limit(max_pixels, size_multiple(model))
    smallest = 2 * limit.padded(1, 1)
    if max_pixels < smallest:
        raise UserError(
            f"max_pixels (--max-pixels) is at least {smallest}, two of the smallest "
            f"pictures, padded: got {max_pixels}; name a larger number."
        )
    return limit


def facts(
    model: keras.Model,
    options: Options,
    source: Path | None = None,
) -> dict:
    """What a user of an export has to know, JSON-able; the file carries it, too.

    Args:
        model: The original.
        options: Of the export.
        source: The `.keras` file that the model came from.

    Raises:
        UserError: As of `request_limit`.
    """
    metadata = getattr(model, "metadata", {})
    preset = getattr(model, "preset", None)
    names = class_names(model)
    if names is None:
        names = [f"class {i}" for i in range(model.output_shape[-1])]
    found = {
        "model": model.name,
        "preset": None if preset is None else preset.to_dict(),
        "classes": [
            {"index": index, "name": name, "colour": list(colour)}
            for index, (name, colour) in enumerate(
                zip(names, colours_of(model), strict=True)
            )
        ],
        "void": VOID,
        "format": options.format.name,
        "precision": options.precision,
        "input": _input(options),
        "size": options.size or FREE,
        "batch": options.batch or FREE,
        "output": options.output,
        "bounds": bounds_of(options.precision).as_data(),
        "source": source and {"file": source.name, "sha256": _digest(source)},
        "weights_sha256": _digest_of_weights(model),
        "trained_on": metadata.get("trained_on"),
        "protocol": metadata.get("protocol"),
        "versions": versions(),
    }
    if options.max_pixels is not None:
        limit = request_limit(model, options.max_pixels)
        # pictures x height x width of a request, sides padded to the multiple
        found["max_pixels"] = limit.pixels
        found["size_multiple"] = limit.multiple
        found["max_side"] = limit.side
    return found


def colours_of(model: keras.Model) -> list[list[int]]:
    """Red, green, blue of every class, made up where the model has none."""
    colours = getattr(model, "metadata", {}).get("colours")
    return palette(model.output_shape[-1], colours).tolist()


def write_facts(found: dict, path: Path) -> None:
    """Write `facts` as JSON; the folder is made where missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2) + "\n", "utf-8")


def compact(found: dict) -> str:
    """`facts` as one line of JSON, for the metadata of a file."""
    return json.dumps(found, separators=(",", ":"))


def _input(options: Options) -> str:
    if options.size is None:
        return "RGB, 0..255, any height and width"
    return f"RGB, 0..255, {options.size[0]}x{options.size[1]}"


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def _digest_of_weights(model: keras.Model) -> str:
    """SHA-256 over all weights in the model's order: whichever file they came from."""
    digest = hashlib.sha256()
    for weight in model.weights:
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()
