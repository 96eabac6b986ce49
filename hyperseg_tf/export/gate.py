"""No export appears that does not answer as its model, run without our code."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from hyperseg_tf import visualise
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.evaluation.evaluate import evaluate
from hyperseg_tf.export import calibration
from hyperseg_tf.export.bounds import Bounds, bounds_of
from hyperseg_tf.export.fitted import Fitted, classes_of
from hyperseg_tf.export.graph import ServingGraph
from hyperseg_tf.export.options import Options
from hyperseg_tf.export.parity import Parity, Row, Score
from hyperseg_tf.export.reference import Reference, reference
from hyperseg_tf.export.runtime import Runtime, opened
from hyperseg_tf.export.signature import colours_of, request_limit
from hyperseg_tf.inference.segmenter import Segmenter
from hyperseg_tf.pipelines.road_scenes import scene

# Of exports that leave sizes open, one off every multiple of the patch size; the
# largest comes last, so that nothing depends on what ran before.
_SIZES = ((64, 96), (97, 131), (160, 128))
# Batches that integers are compared on.
_BATCHES = 4

# For those that take less.
_SMALL_SIZES = ((32, 23), (29, 31))


def check(
    graph: ServingGraph, folder: Path, rows: Sequence[Row] | None = None
) -> Parity:
    """Run an export and compare it.

    Args:
        graph: What it was written from.
        folder: Where its files are.
        rows: What was compared already, in place of the scenes.

    Returns:
        Parity: Which may say that it does not hold.

    Raises:
        UserError: It does not load or run, the model's logits are not finite, or the
            labelled pictures do not fit the model.
    """
    options = graph.options
    bounds = bounds_of(options.precision)
    score = None
    if rows is None or options.labels is not None:
        with Runtime(*opened(options.format, folder)) as runtime:
            if rows is None:
                rows = _rows(graph, runtime, bounds)
            if options.labels is not None:
                score = _score(graph.model, options, runtime)
    return Parity(options, bounds, tuple(rows), score)


def _rows(graph: ServingGraph, runtime: Runtime, bounds: Bounds) -> list[Row]:
    model, rows = graph.model, []
    if hasattr(model, "with_implementation"):
        # Once for all scenes.
        model = model.with_implementation("einsum")
    for name, images in _scenes(model, graph.options):
        right = reference(model, images, bounds)
        rows.append(
            row(name, model, images, runtime(images), right, graph.options, bounds)
        )
    return rows


def row(
    name: str,
    model: keras.Model,
    images: np.ndarray,
    found: np.ndarray,
    right: Reference,
    options: Options,
    bounds: Bounds,
) -> Row:
    """Compare one answer.

    Args:
        name: Of the scene.
        model: The original, for its colours.
        images: uint8 (B, H, W, 3).
        found: What the export says of them.
        right: What the model says.
        options: Of the export; the output counts.
        bounds: Of its precision; what is left out of the agreement follows from them.
    """
    slack, spread = right.slack(bounds), right.spread
    expected = _expected(model, right.logits, images, options.output)
    if found.shape != expected.shape or found.dtype != expected.dtype:
        what = f"{options.output} {found.dtype} {found.shape}"
        return Row(name, f"{what} instead of {expected.dtype} {expected.shape}")
    error = allowed = None
    if options.output in ("logits", "probabilities"):
        # A softmax changes by at most half as much as its logits.
        whole = spread if options.output == "logits" else 1.0
        error = float(np.abs(found - expected).max()) / whole
        if bounds.error is not None:
            allowed = slack / spread if options.output == "logits" else slack / 2 + 1e-6
    agreement, same = (
        _agreement(found, expected, right.logits, apart, options)
        for apart in (slack, 0.0)
    )
    return Row(name, "", error, allowed, agreement, same)


def _agreement(found, expected, logits, slack, options) -> float:
    """Share of the pixels that are right, or as good within twice the slack."""
    best = logits.max(axis=-1)
    if options.output == "overlay":
        # The blend may round either way.
        wrong = (np.abs(found.astype(int) - expected) > 1).any(axis=-1)
        if logits.shape[-1] > 1:
            second = np.partition(logits, -2, axis=-1)[..., -2]
            wrong &= best - second > 2 * slack
        return float(1 - wrong.mean())
    chosen = classes_of(found, options.output).astype(int)
    if chosen.max() >= logits.shape[-1]:
        return 0.0
    value = np.take_along_axis(logits, chosen[..., None], -1)[..., 0]
    return float(1 - (value < best - 2 * slack).mean())


def _expected(model, logits, images, output) -> np.ndarray:
    if output == "logits":
        return logits
    if output == "probabilities":
        odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return odds / odds.sum(axis=-1, keepdims=True)
    best = logits.argmax(axis=-1).astype(np.uint8)
    if output == "class_map":
        return best
    colours = colours_of(model)
    return np.stack(
        [visualise.overlay(i, b, colours) for i, b in zip(images, best, strict=True)]
    )


def _scenes(model, options: Options) -> Iterator[tuple[str, np.ndarray]]:
    """Name and uint8 (B, H, W, 3) of the pictures that every export is run on.

    Of integers these are some of those that their ranges are of: of others they know
    nothing.
    """
    if options.quantized:
        batches = calibration.batches(options, model, _BATCHES * (options.batch or 1))
        for i, images in enumerate(batches):
            height, width = images.shape[1:3]
            yield f"calibration {i} of {height}x{width}, batch {len(images)}", images
        return
    sizes = _SIZES if options.size is None else 2 * (options.size,)
    if options.max_pixels is not None:
        limit = request_limit(model, options.max_pixels)
        if max(2 * limit.padded(*size) for size in sizes) > limit.pixels:
            sizes = _SMALL_SIZES
    for i, (height, width) in enumerate(sizes):
        count = options.batch or (2 if i == 1 else 1)
        made = [scene(10 * i + k, (height, width))[0] for k in range(count)]
        yield f"scene {i} of {height}x{width}, batch {count}", np.stack(made)


def _score(model, options, runtime) -> Score:
    """mIoU of the model and of the export, both as the export takes pictures."""
    if options.output == "overlay":
        raise UserError(
            "labelled pictures are compared with classes: the output is an overlay; "
            "score an export of another output."
        )
    by_class = replace(options, output="class_map")
    reference = Fitted(Segmenter(model).class_maps, by_class)
    protocol = getattr(model, "metadata", {}).get("protocol") or "own-folder"
    scored = [
        evaluate(model, options.labels, protocol, class_maps=answer)
        for answer in (reference, Fitted(runtime, options))
    ]
    before, after = (100 * one.miou for one in scored)
    return Score(scored[0].dataset, scored[0].images, before, after)
