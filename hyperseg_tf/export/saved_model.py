"""SavedModel with preprocessing inside: pictures in, logits or class map out.

All endpoints take RGB 0..255 and any height and width:

    serving_default  images  float32 (B, H, W, 3), values 0..255
                     -> logits      float32 (B, H, W, C), or another of `OUTPUTS`
    serve_uint8      images  uint8 (B, H, W, 3)
                     -> class_map   uint8 (B, H, W)
                     -> confidence  float32 (B, H, W), softmax of that class
    serve_bytes      encoded string (B,), JPEG or PNG files of any sizes
                     -> class_map   uint8 (B, max H, max W), filled with 255
                     -> confidence  float32 (B, max H, max W), filled with 0
                     -> sizes       int32 (B, 2), height and width of each picture
    serve_png        encoded string (B,), as of serve_bytes
                     -> png_bytes   string (B,), grey PNG files: class numbers, 0..254
                     -> sizes       int32 (B, 2)

Encoded pictures go through the network one by one at their own size, so what
else is in the batch changes nothing. They are decoded as `predict` decodes them, to the
last bit: turned as their EXIF says (`base/orientation.py`), so that `sizes` and
class maps are of the upright picture; alpha is dropped, grey repeated, of 16 bits the
upper 8 are kept. A request of more than `max_pixels` fails before anything is decoded,
by an error that names the picture (`export/requests.py`); so do class maps of logits
that are not finite, while `serving_default` gives logits as they are. A picture that is
damaged behind its header is the decoder's error, without its number.

Only stock TensorFlow operations are used, none compiled by XLA, because servers and
converters refuse those. `assets.extra/classes.json` has the names and colours, and what
a request may have.
"""

from pathlib import Path

from hyperseg_tf.base import pixels
from hyperseg_tf.base.constants import VOID
from hyperseg_tf.base.limit import Limit
from hyperseg_tf.export import verify as verification
from hyperseg_tf.export.graph import ServingGraph
from hyperseg_tf.export.parity import Row
from hyperseg_tf.export.signature import (
    CLASS_MAP,
    CONFIDENCE,
    ENCODED,
    IMAGES,
    PNG,
    SIZES,
    request_limit,
)

CLASSES_FILE = Path("assets.extra", "classes.json")


def write(graph: ServingGraph, folder: Path, facts: dict) -> None:
    """Write the folder; the facts are written by the caller, at `CLASSES_FILE`."""
    limit = request_limit(graph.model, graph.options.max_pixels)
    _save(graph, folder, limit)


def check(graph: ServingGraph, folder: Path) -> list[Row]:
    """Compare all endpoints; the rows are those of `serving_default`."""
    limit = request_limit(graph.model, graph.options.max_pixels)
    return verification.saved_model(graph, folder, limit)


def _save(graph: ServingGraph, folder: Path, limit: Limit) -> None:
    import tensorflow as tf

    from hyperseg_tf.base import encoded as encoded_pictures
    from hyperseg_tf.export import requests

    def spec(shape, dtype, name):
        return tf.TensorSpec(shape, dtype, name)

    # One function that all endpoints call: traced once, and once in the file.
    @tf.function(
        input_signature=[spec((None, None, None, 3), tf.float32, "pixels")],
        autograph=False,
    )
    def network(images):
        return graph.network(pixels.normalise(images), training=False)

    def classify(images):
        logits = network(tf.cast(images, tf.float32))
        # The largest softmax, without the (B, H, W, C) array of all of them.
        confidence = tf.exp(
            tf.reduce_max(logits, axis=-1) - tf.reduce_logsumexp(logits, axis=-1)
        )
        confidence = requests.checked_confidence(confidence)
        class_map = tf.argmax(logits, axis=-1, output_type=tf.int32)
        return tf.cast(class_map, tf.uint8), confidence

    @tf.function(input_signature=[spec((None, None, None, 3), tf.float32, IMAGES)])
    def serving_default(images):
        images = requests.checked_images(images, limit)
        return {graph.options.output: graph.answer(network(images), images)}

    @tf.function(input_signature=[spec((None, None, None, 3), tf.uint8, IMAGES)])
    def serve_uint8(images):
        class_map, confidence = classify(requests.checked_images(images, limit))
        return {CLASS_MAP: class_map, CONFIDENCE: confidence}

    def classify_encoded(contents, orientation):
        image = requests.checked_depth(encoded_pictures.decode_rgb(contents), contents)
        return classify(encoded_pictures.turned(image, orientation)[None])

    def serve_one(contents, size, orientation, largest):
        class_map, confidence = classify_encoded(contents, orientation)
        fill = [[0, largest[0] - size[0]], [0, largest[1] - size[1]]]
        return (
            tf.pad(class_map[0], fill, constant_values=VOID),
            tf.pad(confidence[0], fill),
        )

    @tf.function(input_signature=[spec((None,), tf.string, ENCODED)])
    def serve_bytes(encoded):
        encoded, sizes, orientations = requests.checked_encoded(encoded, limit)
        largest = tf.reduce_max(tf.pad(sizes, [[0, 1], [0, 0]]), axis=0)
        class_map, confidence = tf.cond(
            tf.size(encoded) > 0,
            lambda: tf.map_fn(
                lambda one: serve_one(*one, largest),
                (encoded, sizes, orientations),
                fn_output_signature=(
                    tf.TensorSpec((None, None), tf.uint8),
                    tf.TensorSpec((None, None), tf.float32),
                ),
                # One at a time: several large pictures would fill the memory.
                parallel_iterations=1,
            ),
            # Nothing cannot be stacked.
            lambda: (tf.zeros((0, 0, 0), tf.uint8), tf.zeros((0, 0, 0))),
        )
        return {CLASS_MAP: class_map, CONFIDENCE: confidence, SIZES: sizes}

    def png_of_one(contents, orientation):
        class_map, confidence = classify_encoded(contents, orientation)
        # Nothing else asks for the confidence, whose assertion must be asked.
        with tf.control_dependencies([confidence]):
            return tf.io.encode_png(class_map[0, ..., None])

    @tf.function(input_signature=[spec((None,), tf.string, ENCODED)])
    def serve_png(encoded):
        encoded, sizes, orientations = requests.checked_encoded(encoded, limit)
        files = tf.map_fn(
            lambda one: png_of_one(*one),
            (encoded, orientations),
            fn_output_signature=tf.TensorSpec((), tf.string),
            parallel_iterations=1,
        )
        return {PNG: files, SIZES: sizes}

    # A bare module with the variables: the export then holds no Keras object that
    # loading would try to revive.
    module = tf.Module()
    module.weights = [weight.value for weight in graph.network.weights]
    signatures = {
        function.__name__: function.get_concrete_function()
        for function in (serve_uint8, serve_bytes, serve_png)
    }
    signatures["serving_default"] = serving_default.get_concrete_function()
    tf.saved_model.save(module, str(folder), signatures=signatures)
