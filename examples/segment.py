"""Segment one picture with an exported SavedModel; needs TensorFlow and nothing else.

    python examples/segment.py SAVED_MODEL PICTURE OUT.png

PICTURE is a PNG or JPEG file. OUT.png has the colours of its classes, the way up that
the picture is shown: the export turns it as its EXIF says. To blend both, turn the
picture, too (`ImageOps.exif_transpose` of Pillow).

Copy this file next to the export: it imports no code of this project.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf


def main(folder: str, picture: str, out: str) -> int:
    """Write the classes of a picture as colours and print what is in it."""
    endpoint = tf.saved_model.load(folder).signatures["serve_bytes"]
    encoded = tf.io.read_file(picture)
    try:
        result = endpoint(encoded=encoded[None])
    except tf.errors.InvalidArgumentError as error:  # no picture, or too large
        rule = error.message.rpartition("assertion failed: ")[2].splitlines()[0]
        sys.exit(f"{picture}: the export does not take it: {rule}")
    class_map = result["class_map"][0]

    facts = json.loads(Path(folder, "assets.extra", "classes.json").read_text())
    colours = tf.constant([entry["colour"] for entry in facts["classes"]], tf.uint8)
    painted = tf.gather(colours, tf.cast(class_map, tf.int32))
    tf.io.write_file(out, tf.io.encode_png(painted))

    for entry in facts["classes"]:
        same = tf.cast(class_map == entry["index"], tf.float32)
        print(f"{entry['name']:<16}{100 * float(tf.reduce_mean(same)):6.2f} %")
    print(out)
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
