"""Every endpoint of a SavedModel against its model, in a process without our code."""

import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

import keras
import numpy as np
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.limit import Limit
from hyperseg_tf.export import encoded_samples
from hyperseg_tf.export.bounds import bounds_of
from hyperseg_tf.export.gate import row
from hyperseg_tf.export.graph import ServingGraph
from hyperseg_tf.export.parity import Row
from hyperseg_tf.export.reference import Reference, reference
from hyperseg_tf.export.signature import (
    CLASS_MAP,
    CONFIDENCE,
    ENCODED,
    IMAGES,
    SIZES,
)

# Off every multiple of the patch size, and two sizes; for exports that take less, two
# of the smallest.
_SIZES = ((97, 131), (64, 96))
_SMALL_SIZES = ((29, 31), (32, 23))

_BOUNDS = bounds_of("float32")

# Runs with `python -I`: neither the working folder nor PYTHONPATH is searched, and
# an installed copy of the project cannot be imported either.
_RELOAD = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
sys.modules["hyperseg_tf"] = None
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

folder, samples, results, images_name, encoded_name = sys.argv[1:]
proto = saved_model_pb2.SavedModel()
with open(os.path.join(folder, "saved_model.pb"), "rb") as file:
    proto.ParseFromString(file.read())
for function in proto.meta_graphs[0].graph_def.library.function:
    if "_XlaMustCompile" in function.attr and function.attr["_XlaMustCompile"].b:
        sys.exit("function %s must be compiled by XLA" % function.signature.name)
endpoints = tf.saved_model.load(folder).signatures
out = {}
with np.load(samples) as data:
    for i in range(2):
        images = tf.constant(data["images_%d" % i])
        given = {images_name: tf.cast(images, tf.float32)}
        for key, value in endpoints["serving_default"](**given).items():
            out["%s_%d" % (key, i)] = value
        for key, value in endpoints["serve_uint8"](**{images_name: images}).items():
            out["uint8_%s_%d" % (key, i)] = value
    encoded = tf.constant([data["encoded_%d" % i].tobytes() for i in range(2)])
    files = [data[key].tobytes() for key in sorted(data) if key.startswith("photo")]
requests = [files[at : at + AT_ONCE] for at in range(0, len(files), AT_ONCE)]
for key, value in endpoints["serve_bytes"](**{encoded_name: encoded}).items():
    out["bytes_%s" % key] = value
ASK
np.savez(results, **out)
""".replace("AT_ONCE", str(encoded_samples.AT_ONCE)).replace("ASK", encoded_samples.ASK)


def saved_model(graph: ServingGraph, folder: Path, limit: Limit) -> list[Row]:
    """Compare all endpoints of a SavedModel with the model it was made of.

    Args:
        graph: The original, and which output `serving_default` has.
        folder: The SavedModel.
        limit: What a request to it may have.

    Returns:
        How `serving_default` compares.

    Raises:
        UserError: It does not load, an output of another endpoint differs by more than
            rounding, or the model's logits are not finite.
    """
    model, options = graph.model, graph.options
    if hasattr(model, "with_implementation"):
        model = model.with_implementation("einsum")
    rng = np.random.default_rng(0)
    fits = 2 * limit.padded(*_SIZES[0]) <= limit.pixels
    sizes = _SIZES if fits else _SMALL_SIZES
    images = [_picture(rng, 2 - i, size) for i, size in enumerate(sizes)]
    # Before a process is started: of a model without finite logits there is nothing to
    # compare, and the export refuses to answer.
    right = [reference(model, batch, _BOUNDS) for batch in images]
    samples = {f"images_{i}": batch for i, batch in enumerate(images)}
    for i, batch in enumerate(images):
        buffer = BytesIO()
        Image.fromarray(batch[0]).save(buffer, "PNG")
        samples[f"encoded_{i}"] = np.frombuffer(buffer.getvalue(), np.uint8)
    photographs = encoded_samples.photographs(rng, _picture, limit)
    for i, file in enumerate(photographs):
        samples[f"photograph_{i:02}"] = np.frombuffer(file, np.uint8)
    with tempfile.TemporaryDirectory() as scratch:
        given, results = Path(scratch, "samples.npz"), Path(scratch, "results.npz")
        np.savez(given, **samples)
        command = [sys.executable, "-I", "-c", _RELOAD, folder, given, results]
        command += [IMAGES, ENCODED]
        process = subprocess.run(
            [str(word) for word in command], capture_output=True, text=True
        )
        if process.returncode or not results.exists():
            lines = process.stderr.strip().splitlines() or ["no message"]
            raise UserError(
                "an export must load without this project: loading it in a process "
                f"of its own failed ({lines[-1]}); nothing was written."
            )
        with np.load(results) as file:
            found = dict(file)
        rows = [
            row(
                f"picture {i} of {batch.shape[1]}x{batch.shape[2]}, batch {len(batch)}",
                model,
                batch,
                found[f"{options.output}_{i}"],
                right[i],
                options,
                _BOUNDS,
            )
            for i, batch in enumerate(images)
        ]
        if all(one.fault == "" and one.error_holds for one in rows):
            compare(right, found)
            read = encoded_samples.as_predicted(photographs, Path(scratch))
            compare_photographs(model, read, found)
        return rows


def compare(right: list[Reference], found: dict[str, np.ndarray]) -> None:
    """Raise `UserError` where outputs of an export differ from the model's.

    Class maps may differ only where the two best classes are as close as rounding.

    Args:
        right: What the model says of two batches (B, H, W, 3); `serve_bytes` got the
            first picture of each.
        found: uint8_class_map_i, uint8_confidence_i, bytes_class_map,
            bytes_confidence, bytes_sizes.
    """
    sizes = np.array([one.logits.shape[1:3] for one in right])
    if not np.array_equal(found[f"bytes_{SIZES}"], sizes):
        _fail(f"serve_bytes {SIZES}", f"{found[f'bytes_{SIZES}'].tolist()}")
    for i, one in enumerate(right):
        logits, limit = one.logits, one.slack(_BOUNDS)
        confidence = _softmax_max(logits)
        # A softmax changes by at most half as much as its logits.
        slack = max(limit / 2, 1e-5)
        names = (f"uint8_{CLASS_MAP}_{i}", f"uint8_{CONFIDENCE}_{i}")
        _same_classes("serve_uint8", found[names[0]], logits, limit)
        _close(f"serve_uint8 {CONFIDENCE}", found[names[1]], confidence, slack)
        height, width = logits.shape[1:3]
        corner = np.s_[i : i + 1, :height, :width]
        _same_classes(
            "serve_bytes", found[f"bytes_{CLASS_MAP}"][corner], logits[:1], limit
        )
        _close(
            f"serve_bytes {CONFIDENCE}",
            found[f"bytes_{CONFIDENCE}"][corner],
            confidence[:1],
            slack,
        )


def compare_photographs(
    model: keras.Model, images: list[np.ndarray], found: dict[str, np.ndarray]
) -> None:
    """Raise `UserError` where an export sees other pictures in files than `predict`.

    Args:
        model: The original.
        images: The photographs as `predict` reads them.
        found: What the export said to them.
    """
    sizes = [image.shape[:2] for image in images]
    places = {size: [i for i, s in enumerate(sizes) if s == size] for size in sizes}
    expected = {
        size: reference(model, np.stack([images[i] for i in at]), _BOUNDS)
        for size, at in places.items()
    }
    for what, told, class_maps in encoded_samples.answers(found, images):
        shapes = [class_map.shape for class_map in class_maps]
        if told != sizes or shapes != sizes:
            difference = f"{told}, class maps of {shapes}, instead of {sizes}"
            _fail(f"{what} of photographs {SIZES}", difference)
        for size, at in places.items():
            maps = np.stack([class_maps[i] for i in at])
            right = expected[size]
            slack = right.slack(_BOUNDS)
            _same_classes(f"{what} of photographs", maps, right.logits, slack)


def _close(what: str, found: np.ndarray, expected: np.ndarray, limit: float) -> None:
    if found.shape != expected.shape:
        _fail(what, f"shape {found.shape} instead of {expected.shape}")
    error = float(np.abs(found - expected).max())
    if not error <= limit:  # NaN fails, too
        _fail(what, f"off by {error:.3g}, allowed {limit:.3g}")


def _same_classes(
    what: str, found: np.ndarray, logits: np.ndarray, limit: float
) -> None:
    if found.shape != logits.shape[:-1] or found.max() >= logits.shape[-1]:
        _fail(f"{what} {CLASS_MAP}", f"shape {found.shape}, values to {found.max()}")
    chosen = np.take_along_axis(logits, found[..., None].astype(int), -1)[..., 0]
    wrong = chosen < logits.max(axis=-1) - 2 * limit
    if wrong.any():
        _fail(f"{what} {CLASS_MAP}", f"{100 * wrong.mean():.3g} % of the pixels differ")


def _softmax_max(logits: np.ndarray) -> np.ndarray:
    return 1 / np.exp(logits - logits.max(axis=-1, keepdims=True)).sum(axis=-1)


def _picture(rng: np.random.Generator, count: int, size: tuple[int, int]) -> np.ndarray:
    """Smooth blobs with some noise: uint8 (count, H, W, 3)."""
    height, width = size
    coarse = rng.integers(0, 256, (count, 5, 7, 3), np.uint8)
    smooth = np.stack(
        [np.asarray(Image.fromarray(c).resize((width, height))) for c in coarse]
    )
    noise = rng.integers(-20, 21, smooth.shape)
    return np.clip(smooth + noise, 0, 255).astype(np.uint8)


def _fail(what: str, difference: str) -> None:
    raise UserError(
        f"an export must reproduce its model: {what} differs ({difference}); nothing "
        "was written. This is a bug: please report it with the model's preset."
    )
