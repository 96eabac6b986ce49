"""Latency of one model on this machine: the network alone, or bytes to bytes."""

import random
import time
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Literal

import keras
import numpy as np
from PIL import Image

from hyperseg_tf.base import machine
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.text import first_line
from hyperseg_tf.inference import pictures
from hyperseg_tf.inference.segmenter import Segmenter
from hyperseg_tf.network.hypernetwork import generates_weights
from hyperseg_tf.network.named import open_named
from hyperseg_tf.ops import choice
from hyperseg_tf.profiling.freeze import freeze
from hyperseg_tf.profiling.timings import END_TO_END, NETWORK, Benchmark, Timed


def run(
    model: keras.Model | str | Path,
    *,
    size: tuple[int, int] | None = None,
    batch_size: int = 1,
    calls: int = 50,
    warm_up: int = 5,
    threads: int | None = None,
    implementations: Sequence[str] | Literal["all"] | None = None,
    end_to_end: bool = False,
) -> Benchmark:
    """Time the inference form of a model.

    Args:
        model: A model, its `.keras` file, or the name of a preset (random weights:
            they change no latency).
        size: (height, width); None for the preset's evaluation size.
        batch_size: Images per call.
        calls: Timed calls of each implementation.
        warm_up: Calls before the clock starts.
        threads: Threads of one operation; must be given before TensorFlow computes
            anything in this process.
        implementations: Of the dynamic convolution, called in turns in an order that
            is drawn anew each time; "all" for every one of `choice.IMPLEMENTATIONS` but
            "auto", of which those that cannot run here are left out with the reason.
            None for the one that the model has.
        end_to_end: JPEG decoding, classes and the encoding of their PNG are in it, by
            what `predict` does them with, one after the other; so is its choice of
            the implementation.

    Raises:
        UserError: There is no such preset or file, implementations are asked for that
            do not exist, cannot run here, or change nothing.
        ValueError: A number is out of range.
    """
    for name, value in (("batch_size", batch_size), ("calls", calls)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1: got {value}.")
    if threads is not None:
        _limit_threads(threads)
    name = str(model) if isinstance(model, str | Path) else model.name
    model = open_named(model)
    _check(implementations, model, end_to_end)
    if size is None:
        size = model.preset.image_size
    load = machine.load()
    if end_to_end:
        used = choice.for_any_size() if generates_weights(model) else "none"
        steps, left_out = {used: _bytes_to_bytes(model, size, batch_size)}, ()
    else:
        images = np.random.default_rng(0).normal(size=(batch_size, *size, 3))
        images = images.astype("float32")
        steps, left_out = _networks(model, images, implementations)
    return Benchmark(
        model=name,
        size=tuple(size),
        batch_size=batch_size,
        job=END_TO_END if end_to_end else NETWORK,
        precision=model.compute_dtype,
        device=_device(),
        cores=machine.usable_cores(),
        threads=threads,
        load=load,
        timed=_in_turns(steps, warm_up, calls),
        left_out=left_out,
        peak_bytes=machine.peak_memory(),
    )


def _check(implementations, model, end_to_end: bool) -> None:
    if implementations is None:
        return
    if end_to_end:
        raise UserError(
            "bytes to bytes is timed as predict does it: got implementations, too; "
            f"leave them out, or set {choice.ENVIRONMENT}."
        )
    if not generates_weights(model):
        raise UserError(
            "implementations are those of the dynamic convolution: this model has "
            "none; leave them out."
        )
    for name in [] if implementations == "all" else implementations:
        if name not in choice.IMPLEMENTATIONS:
            raise UserError(
                f"an implementation is one of {', '.join(choice.IMPLEMENTATIONS)}: got "
                f"{name!r}."
            )


def _networks(model, images, implementations):
    """What computes the logits, by implementation, and what is left out."""
    if not generates_weights(model):
        return {"none": frozen(model, images)}, ()
    implementations = implementations or [model.implementation]
    every = implementations == "all"
    names = choice.IMPLEMENTATIONS[:0:-1] if every else implementations
    steps, left_out = {}, []
    for name in names:
        try:
            used = choice.resolve(name)
        except RuntimeError as error:
            if not every:
                raise UserError(first_line(error)) from error
            left_out.append((name, first_line(error)))
            continue
        if used not in steps:
            steps[used] = frozen(model, images, used)
    return steps, tuple(left_out)


def _bytes_to_bytes(model, size, batch_size) -> Callable[[], list[bytes]]:
    segment = Segmenter(model).class_maps
    rng = np.random.default_rng(0)
    files = []
    for _ in range(batch_size):
        # Smooth, as photographs are: noise would be a JPEG of many times the bytes.
        small = rng.integers(0, 256, (*(-(-side // 16) for side in size), 3), np.uint8)
        file = BytesIO()
        picture = Image.fromarray(small).resize(size[::-1], Image.Resampling.BICUBIC)
        picture.save(file, "JPEG", quality=90)
        files.append(file.getvalue())

    def answers() -> list[bytes]:
        images = [
            pictures.decoded(BytesIO(file), Path("the picture"), pictures.DECODED)
            for file in files
        ]
        return [pictures.png_of(label) for label in segment(np.stack(images))]

    return answers


def _in_turns(steps, warm_up: int, calls: int) -> tuple[Timed, ...]:
    first, wall, cpu = ({name: [] for name in steps} for _ in range(3))
    for name, step in steps.items():
        start = time.perf_counter()
        step()
        first[name] = 1000 * (time.perf_counter() - start)
    order = random.Random(0)
    for i in range(warm_up + calls):
        for name in order.sample(list(steps), len(steps)):
            start, spent = time.perf_counter(), time.process_time()
            steps[name]()
            seconds = time.perf_counter() - start, time.process_time() - spent
            if i >= warm_up:
                wall[name].append(1000 * seconds[0])
                cpu[name].append(1000 * seconds[1])
    return tuple(
        Timed(
            implementation=name,
            first_ms=first[name],
            latencies_ms=tuple(wall[name]),
            cpu_ms=tuple(cpu[name]),
        )
        for name in steps
    )


def frozen(
    model: keras.Model, images: np.ndarray, implementation: str | None = None
) -> Callable[[], np.ndarray]:
    """Return a function that computes the logits of `images` as fast as we can.

    Batch norms are folded and variables turned into constants; one shape only.
    """
    if hasattr(model, "fold"):
        model = model.fold(implementation)
    if keras.backend.backend() != "tensorflow":
        return lambda: keras.ops.convert_to_numpy(model(images, training=False))
    import tensorflow as tf

    images = tf.constant(images)
    step = freeze(
        lambda x: model(x, training=False),
        [tf.TensorSpec(images.shape, images.dtype)],
    )(images)
    # A copy to the host waits for the device, so that the clock sees all the work.
    return lambda: step()[0].numpy()


def _limit_threads(threads: int) -> None:
    if threads < 1:
        raise ValueError(f"threads must be at least 1: got {threads}.")
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:
        raise ValueError(
            "threads can be set only before TensorFlow computes: it already has; "
            "use a fresh process."
        ) from None


def _device() -> str:
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        if gpus:
            details = tf.config.experimental.get_device_details(gpus[0])
            return details.get("device_name", "GPU")
    return machine.processor()
