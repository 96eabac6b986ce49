"""SavedModel with preprocessing inside: pictures in, logits or class map out.

All endpoints take RGB 0..255 and any height and width:

    serving_default  images  float32 (B, H, W, 3), values 0..255
                     -> logits      float32 (B, H, W, C)
    serve_uint8      images  uint8 (B, H, W, 3)
                     -> class_map   uint8 (B, H, W)
                     -> confidence  float32 (B, H, W), softmax of that class
    serve_bytes      encoded string (B,), JPEG or PNG files of any sizes
                     -> class_map   uint8 (B, max H, max W), filled with 255
                     -> confidence  float32 (B, max H, max W), filled with 0
                     -> sizes       int32 (B, 2), height and width of each picture

Pictures of `serve_bytes` go through the network one by one at their own size, so what
else is in the batch changes nothing. EXIF orientation is not applied there, alpha is
dropped. Only stock TensorFlow operations are used, none compiled by XLA, because
servers and converters refuse those. `assets.extra/classes.json` has the names and
colours.
"""

from pathlib import Path

import keras

from hyperseg_tf.base import pixels
from hyperseg_tf.base.atomic import atomic_folder, check_target
from hyperseg_tf.base.constants import VOID
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.export import verify as verification
from hyperseg_tf.export.signature import (
    CLASS_MAP,
    CONFIDENCE,
    ENCODED,
    IMAGES,
    LOGITS,
    SIZES,
    write_classes,
)
from hyperseg_tf.inference.segmenter import open_model

CLASSES_FILE = Path("assets.extra", "classes.json")


def write(
    model: keras.Model | str | Path,
    out: Path,
    overwrite: bool = False,
    verify: bool = True,
) -> Path:
    """Write a SavedModel folder; see `hyperseg_tf.export.write`."""
    if keras.backend.backend() != "tensorflow":
        raise UserError(
            "a SavedModel is written by TensorFlow: the Keras backend is "
            f"{keras.backend.backend()}; set KERAS_BACKEND=tensorflow."
        )
    check_target(out, overwrite)
    model = open_model(model)
    with atomic_folder(out, overwrite) as folder:
        _save(model.fold("slices") if hasattr(model, "fold") else model, folder)
        write_classes(model, folder / CLASSES_FILE)
        if verify:
            verification.saved_model(model, folder)
    return out


def _save(model: keras.Model, folder: Path) -> None:
    import tensorflow as tf

    def spec(shape, dtype, name):
        return tf.TensorSpec(shape, dtype, name)

    def network(images):
        return model(pixels.normalise(images), training=False)

    def classify(images):
        logits = network(tf.cast(images, tf.float32))
        # The largest softmax, without the (B, H, W, C) array of all of them.
        confidence = tf.exp(
            tf.reduce_max(logits, axis=-1) - tf.reduce_logsumexp(logits, axis=-1)
        )
        return tf.argmax(logits, axis=-1, output_type=tf.int32), confidence

    @tf.function(input_signature=[spec((None, None, None, 3), tf.float32, IMAGES)])
    def serving_default(images):
        return {LOGITS: network(images)}

    @tf.function(input_signature=[spec((None, None, None, 3), tf.uint8, IMAGES)])
    def serve_uint8(images):
        class_map, confidence = classify(images)
        return {CLASS_MAP: tf.cast(class_map, tf.uint8), CONFIDENCE: confidence}

    def serve_one(contents):
        image = tf.io.decode_image(contents, channels=3, expand_animations=False)
        image = tf.ensure_shape(image, (None, None, 3))
        class_map, confidence = classify(image[None])
        return (
            tf.RaggedTensor.from_tensor(class_map[0]),
            tf.RaggedTensor.from_tensor(confidence[0]),
            tf.shape(image)[:2],
        )

    @tf.function(input_signature=[spec((None,), tf.string, ENCODED)])
    def serve_bytes(encoded):
        class_map, confidence, sizes = tf.map_fn(
            serve_one,
            encoded,
            fn_output_signature=(
                tf.RaggedTensorSpec((None, None), tf.int32, ragged_rank=1),
                tf.RaggedTensorSpec((None, None), tf.float32, ragged_rank=1),
                tf.TensorSpec((2,), tf.int32),
            ),
            # One at a time: several large pictures at once would fill the memory.
            parallel_iterations=1,
        )
        return {
            CLASS_MAP: tf.cast(class_map.to_tensor(VOID), tf.uint8),
            CONFIDENCE: confidence.to_tensor(0.0),
            SIZES: sizes,
        }

    # A bare module with the variables: the export then holds no Keras object that
    # loading would try to revive.
    module = tf.Module()
    module.weights = [weight.value for weight in model.weights]
    signatures = {
        function.__name__: function.get_concrete_function()
        for function in (serve_uint8, serve_bytes)
    }
    signatures["serving_default"] = serving_default.get_concrete_function()
    tf.saved_model.save(module, str(folder), signatures=signatures)
