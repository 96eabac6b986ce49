"""Segment one picture with an exported SavedModel; needs TensorFlow and nothing else.

    python examples/segment.py SAVED_MODEL PICTURE.png OUT.png

Copy this file next to the export: it imports no code of this project.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf


def main(folder: str, picture: str, out: str) -> int:
    """Write the picture blended with its classes and print what is in it."""
    endpoint = tf.saved_model.load(folder).signatures["serve_bytes"]
    encoded = tf.io.read_file(picture)
    result = endpoint(encoded=encoded[None])
    class_map = result["class_map"][0]

    facts = json.loads(Path(folder, "assets.extra", "classes.json").read_text())
    colours = tf.constant([entry["colour"] for entry in facts["classes"]], tf.float32)
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    painted = tf.gather(colours, tf.cast(class_map, tf.int32))
    blended = 0.45 * tf.cast(image, tf.float32) + 0.55 * painted
    tf.io.write_file(out, tf.io.encode_png(tf.cast(tf.round(blended), tf.uint8)))

    for entry in facts["classes"]:
        same = tf.cast(class_map == entry["index"], tf.float32)
        print(f"{entry['name']:<16}{100 * float(tf.reduce_mean(same)):6.2f} %")
    print(out)
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
