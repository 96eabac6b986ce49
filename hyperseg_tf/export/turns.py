"""Runtimes of one model's exports that are called in turns.

In every round each of them answers once, in an order that is drawn anew: what else the
machine does hits all of them alike.
"""

import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import keras
import numpy as np

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.progress import bar
from hyperseg_tf.base.text import first_line
from hyperseg_tf.evaluation.evaluate import Evaluation, evaluate
from hyperseg_tf.export import probe, write
from hyperseg_tf.export.bounds import bounds_of
from hyperseg_tf.export.choices import Choice
from hyperseg_tf.export.comparison_table import Entry, LeftOut
from hyperseg_tf.export.fitted import Fitted
from hyperseg_tf.export.formats import FORMATS, Format
from hyperseg_tf.export.gate import row
from hyperseg_tf.export.options import MAX_PIXELS, Options
from hyperseg_tf.export.parity import Parity, Row, Score
from hyperseg_tf.export.reference import reference
from hyperseg_tf.export.runtime import Cost, Runtime, opened
from hyperseg_tf.export.signature import request_limit
from hyperseg_tf.export.writing import CLASSES_FILE
from hyperseg_tf.pipelines.road_scenes import scene

# Of the model itself, which every ratio refers to.
MODEL = Format("model", ("model.keras",))

# Different pictures, one set after the other.
_SCENES = 2

# Asked before anything is converted, which takes minutes.
_MISSING = {
    "tensorrt": probe.missing_for_tensorrt,
    "tf_trt": probe.missing_for_tf_trt,
}


@dataclass
class _Running:
    """An open runtime and what is known of it.

    Attributes:
        options: Of the export; size and batch are those it is called with.
        runtime: Answers pictures.
        bytes: Size of the file or files.
        first: The first answer's cost.
        costs: Of the timed answers.
        rows: Against the model.
        scored: On labelled pictures.
    """

    options: Options
    runtime: Runtime
    bytes: int
    first: Cost | None = None
    costs: list[Cost] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    scored: Evaluation | None = None

    def ask(self, images: np.ndarray) -> tuple[np.ndarray, Cost]:
        """Answer uint8 (B, H, W, 3)."""
        found = self.runtime(images)
        self.first = self.first or self.runtime.cost
        return found, self.runtime.cost


class Turns:
    """The runtimes of one comparison, the model's first.

    Args:
        model: What is exported.
        base: Options of the model itself.
        threads: Of each runtime; 0 leaves the choice to it.
    """

    def __init__(self, model: keras.Model, base: Options, threads: int) -> None:
        self.running: list[_Running] = []
        self.left_out: list[LeftOut] = []
        self._model, self._base, self._threads = model, base, threads

    @contextmanager
    def opened(self, chosen: Sequence[Choice], calibrate) -> Iterator[None]:
        """Write all exports, then start all runtimes; in the end nothing is left."""
        with (
            tempfile.TemporaryDirectory(prefix="hyperseg_tf_exports_") as scratch,
            ExitStack() as stack,
        ):
            model = _model_file(self._model, Path(scratch))
            folders = self._write(chosen, Path(scratch), calibrate)
            self._open(stack, self._base, *model, project=True)
            for choice, folder in folders:
                fixed = replace(
                    self._base,
                    format=FORMATS[choice.format],
                    precision=choice.precision,
                )
                with self._left_out_where_it_fails(*choice):
                    self._open(stack, fixed, *opened(fixed.format, folder))
            yield

    def _write(self, chosen, scratch: Path, calibrate) -> list[tuple[Choice, Path]]:
        folders, missing = [], {}
        progress = bar("exporting")
        for i, choice in enumerate(chosen):
            folder = scratch / f"{choice.format}_{choice.precision}"
            name = choice.format
            with self._left_out_where_it_fails(*choice):
                if name in _MISSING and name not in missing:
                    missing[name] = _MISSING[name]()
                if missing.get(name):
                    raise UserError(f"missing: {', and '.join(missing[name])}")
                write(self._model, name, folder, **self._asked(choice, calibrate))
                folders.append((choice, folder))
            progress(i + 1, len(chosen))
        return folders

    def _asked(self, choice: Choice, calibrate) -> dict:
        """Arguments of `export.write`."""
        height, width = self._base.size
        asked = {"precision": choice.precision, "verify": False}
        if choice.quantized:
            asked["calibrate"] = calibrate
        if choice.format != "saved_model":
            return asked | {"size": (height, width), "batch": self._base.batch}
        padded = request_limit(self._model, MAX_PIXELS).padded(height, width)
        return asked | {"max_pixels": max(MAX_PIXELS, self._base.batch * padded)}

    def _open(self, stack, options, program: str, path: Path, project=False) -> None:
        runtime = Runtime(program, path, self._threads, project=project)
        stack.enter_context(runtime)
        self.running.append(_Running(options, runtime, _bytes(path)))

    def measure(self, warm_up: int, calls: int) -> None:
        """Ask all of them in every round; the first answers are compared, too."""
        scenes = _Scenes(self._model, self._base)
        order = random.Random(0)
        warm_up = max(warm_up, _SCENES)
        progress = bar("measuring")
        for i in range(warm_up + calls):
            images = scenes.images[i % _SCENES]
            for one in order.sample(self.running, len(self.running)):
                with self._dropped_where_it_fails(one):
                    found, cost = one.ask(images)
                    if i >= warm_up:
                        one.costs.append(cost)
                    elif i < _SCENES:
                        one.rows.append(scenes.compared(i, found, one.options))
            progress(i + 1, warm_up + calls)

    def score(self) -> None:
        """Score all of them on the labelled pictures, resized to the one size."""
        for one in list(self.running):
            with self._dropped_where_it_fails(one):
                answer = Fitted(one.runtime, one.options)
                one.scored = evaluated(self._model, self._base, answer)

    def entry(self, one: _Running) -> Entry:
        """What was found of one."""
        score = None
        if one.scored is not None:
            model = self.running[0].scored
            score = Score(
                model.dataset, model.images, 100 * model.miou, 100 * one.scored.miou
            )
        return Entry(
            bytes=one.bytes,
            load_seconds=float(one.runtime.load_seconds),
            first_seconds=one.first.seconds,
            seconds=tuple(cost.seconds for cost in one.costs),
            cpu_seconds=tuple(cost.cpu_seconds for cost in one.costs),
            peak_mb=one.costs[-1].peak_mb,
            parity=Parity(
                one.options,
                bounds_of(one.options.precision),
                tuple(one.rows),
                score,
            ),
        )

    @contextmanager
    def _left_out_where_it_fails(self, format: str, precision: str) -> Iterator[None]:
        """Note why, whatever a converter or a runtime raises: the others go on."""
        try:
            yield
        except Exception as error:
            reason = first_line(error)
            if not isinstance(error, UserError):
                reason = f"{type(error).__name__}: {reason}"
            self.left_out.append(LeftOut(format, precision, reason))

    @contextmanager
    def _dropped_where_it_fails(self, one: _Running) -> Iterator[None]:
        try:
            yield
        except UserError as error:
            # Everything else is a ratio to the model.
            if one is self.running[0]:
                raise
            one.runtime.close()
            self.running.remove(one)
            name, precision = one.options.format.name, one.options.precision
            self.left_out.append(LeftOut(name, precision, first_line(error)))


class _Scenes:
    """Pictures of one size and batch, and what the model says of them.

    Args:
        model: The original.
        base: Size and batch.

    Attributes:
        images: `_SCENES` times uint8 (B, H, W, 3).
    """

    def __init__(self, model: keras.Model, base: Options) -> None:
        if hasattr(model, "with_implementation"):
            # Once for all scenes.
            model = model.with_implementation("einsum")
        self._model = model
        self._found = {}
        self.images = [
            np.stack([scene(10 * i + k, base.size)[0] for k in range(base.batch)])
            for i in range(_SCENES)
        ]

    def compared(self, i: int, found: np.ndarray, options: Options) -> Row:
        """Hold an answer against the model's."""
        bounds, images = bounds_of(options.precision), self.images[i]
        if (i, bounds) not in self._found:
            self._found[i, bounds] = reference(self._model, images, bounds)
        right = self._found[i, bounds]
        return row(f"scene {i}", self._model, images, found, right, options, bounds)


def _model_file(model: keras.Model, scratch: Path) -> tuple[str, Path]:
    """The program that runs the model itself, and a file of it."""
    if not hasattr(model, "preset"):
        raise ValueError(f"a HyperSeg is compared: got a {type(model).__name__}.")
    path = scratch / MODEL.files[0]
    model.save(path)
    return "segmenter", path


def evaluated(model: keras.Model, base: Options, answer: Callable) -> Evaluation:
    """Score what answers in place of the model on the labelled pictures of `base`."""
    protocol = getattr(model, "metadata", {}).get("protocol") or "own-folder"
    return evaluate(model, base.labels, protocol, class_maps=answer)


def _bytes(path: Path) -> int:
    """What has to be shipped: an engine alone, else all that the export consists of."""
    if path.suffix in (".plan", ".keras"):
        return path.stat().st_size
    files = (found for found in path.parent.rglob("*") if found.is_file())
    return sum(f.stat().st_size for f in files if f.name != CLASSES_FILE)
