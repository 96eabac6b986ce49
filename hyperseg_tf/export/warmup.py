"""Requests that TensorFlow Serving sends to a model before any client can.

The first request of each kind is slow, since TensorFlow rewrites a graph when it first
runs it. With these records a server is ready once it says so. A record that failed
would keep the model from being served, so `requests` makes valid ones only.
"""

import importlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.export.signature import ENCODED, IMAGES

# Where TensorFlow Serving looks for them, within a version.
FILE = Path("assets.extra", "tf_serving_warmup_requests")

_GREY = 128


def check_protocol() -> None:
    """Raise `UserError` where TensorFlow Serving's messages are not installed."""
    try:
        importlib.import_module("tensorflow_serving.apis.prediction_log_pb2")
    except ImportError as error:
        raise UserError(
            "--version writes requests in TensorFlow Serving's own format, from the "
            f"package tensorflow-serving-api: {error}; "
            "pip install 'hyperseg_tf[serve]'."
        ) from None


def write(path: Path, name: str, size: tuple[int, int]) -> None:
    """Write a TFRecord file of `PredictionLog` messages.

    Args:
        path: Its folder exists.
        name: Of the served model.
        size: (height, width) of most pictures.
    """
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2 as log

    with tf.io.TFRecordWriter(str(path)) as records:
        for request in requests(name, size):
            entry = log.PredictionLog(predict_log=log.PredictLog(request=request))
            records.write(entry.SerializeToString())


def requests(name: str, size: tuple[int, int]) -> Iterator:
    """Yield a `PredictRequest` with a grey picture for each endpoint and format."""
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    def request(signature, key, value, **options):
        made = predict_pb2.PredictRequest()
        made.model_spec.name, made.model_spec.signature_name = name, signature
        made.inputs[key].CopyFrom(tf.make_tensor_proto(value, **options))
        return made

    # One number stands for all: the file stays small.
    shape = (1, *size, 3)
    yield request("serving_default", IMAGES, _GREY, dtype=tf.float32, shape=shape)
    yield request("serve_uint8", IMAGES, _GREY, dtype=tf.uint8, shape=shape)
    for endpoint in ("serve_bytes", "serve_png"):
        for kind in ("JPEG", "PNG"):
            yield request(endpoint, ENCODED, [_encoded(kind, size)])


def _encoded(kind: str, size: tuple[int, int]) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (size[1], size[0]), (_GREY,) * 3).save(buffer, kind)
    return buffer.getvalue()
