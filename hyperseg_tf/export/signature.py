"""What every exported format says alike: names of inputs and outputs, and the classes.

Whatever the format, pictures go in as RGB 0..255 of any height and width, not
normalised, and class maps come out as uint8 with `VOID` where there is no picture.
"""

import json
from pathlib import Path

import keras

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.base.versions import versions
from hyperseg_tf.inference.segmenter import class_names
from hyperseg_tf.visualise import palette

# Inputs: float32 or uint8 (B, H, W, 3), 0..255; string (B,), JPEG or PNG files.
IMAGES, ENCODED = "images", "encoded"

# Outputs: float32 (B, H, W, C); uint8 (B, H, W); float32 (B, H, W), the softmax of that
# class; int32 (B, 2), height and width.
LOGITS, CLASS_MAP, CONFIDENCE, SIZES = "logits", "class_map", "confidence", "sizes"

INPUT = "RGB, 0..255, any height and width"


def describe(model: keras.Model) -> dict:
    """Return what a user of an export has to know, JSON-able."""
    num_classes = model.output_shape[-1]
    metadata = getattr(model, "metadata", {})
    names = class_names(model) or [f"class {i}" for i in range(num_classes)]
    colours = palette(num_classes, metadata.get("colours")).tolist()
    return {
        "model": model.name,
        "classes": [
            {"index": index, "name": name, "colour": colour}
            for index, (name, colour) in enumerate(zip(names, colours, strict=True))
        ],
        "void": VOID,
        "input": INPUT,
        "trained_on": metadata.get("trained_on"),
        "protocol": metadata.get("protocol"),
        "versions": versions(),
    }


def write_classes(model: keras.Model, path: Path) -> None:
    """Write `describe` as JSON; the folder is made where missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(describe(model), indent=2) + "\n", "utf-8")
