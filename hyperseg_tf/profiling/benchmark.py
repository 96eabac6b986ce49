"""Latency of one model on this machine: folded, frozen, batch by batch."""

import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import keras
import numpy as np

from hyperseg_tf.base.atomic import atomic_file
from hyperseg_tf.base.machine import processor, usable_cores
from hyperseg_tf.base.versions import versions
from hyperseg_tf.network.named import open_named
from hyperseg_tf.profiling.freeze import freeze


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Latencies of one model at one size.

    Attributes:
        model: Name of the preset, or the file.
        size: (height, width) of the images.
        batch_size: Images per call.
        device: What it ran on.
        threads: Threads of one operation; None where TensorFlow chose.
        warm_up_ms: The first call, compilation included.
        latencies_ms: Every timed call, in order.
    """

    model: str
    size: tuple[int, int]
    batch_size: int
    device: str
    threads: int | None
    warm_up_ms: float
    latencies_ms: tuple[float, ...]
    versions: dict[str, str] = field(default_factory=versions)

    @property
    def median_ms(self) -> float:
        """Half of the calls took no longer."""
        return statistics.median(self.latencies_ms)

    @property
    def p95_ms(self) -> float:
        """95 % of the calls took no longer."""
        return float(np.percentile(self.latencies_ms, 95))

    def table(self) -> str:
        """The result as text, for people."""
        height, width = self.size
        return (
            f"{self.model} at {height}x{width}, batch {self.batch_size}, "
            f"{self.device}\n"
            f"median {self.median_ms:.1f} ms, p95 {self.p95_ms:.1f} ms, "
            f"fastest {min(self.latencies_ms):.1f} ms of {len(self.latencies_ms)} "
            f"calls; {1000 * self.batch_size / self.median_ms:.1f} images/s"
        )

    def write_json(self, path: str | os.PathLike) -> None:
        """Write the result, atomically."""
        data = {**asdict(self), "median_ms": self.median_ms, "p95_ms": self.p95_ms}
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps(data, indent=2) + "\n", "utf-8")


def run(
    model: keras.Model | str | Path,
    *,
    size: tuple[int, int] | None = None,
    batch_size: int = 1,
    calls: int = 50,
    warm_up: int = 5,
    threads: int | None = None,
) -> Benchmark:
    """Time the inference form of a model: normalised image in, logits out.

    Args:
        model: A model, its `.keras` file, or the name of a preset (random weights:
            they change no latency).
        size: (height, width); None for the preset's evaluation size.
        batch_size: Images per call.
        calls: Timed calls.
        warm_up: Calls before the clock starts.
        threads: Threads of one operation; must be given before TensorFlow computes
            anything in this process.

    Raises:
        UserError: There is no such preset or file.
        ValueError: A number is out of range.
    """
    for name, value in (("batch_size", batch_size), ("calls", calls)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1: got {value}.")
    if threads is not None:
        _limit_threads(threads)
    name = str(model) if isinstance(model, str | Path) else model.name
    model = open_named(model)
    if size is None:
        size = model.preset.image_size
    images = np.random.default_rng(0).normal(size=(batch_size, *size, 3))
    call = frozen(model, images.astype("float32"))
    start = time.perf_counter()
    call()
    first = time.perf_counter() - start
    for _ in range(warm_up):
        call()
    latencies = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        latencies.append(1000 * (time.perf_counter() - start))
    return Benchmark(
        model=name,
        size=tuple(size),
        batch_size=batch_size,
        device=_device(),
        threads=threads,
        warm_up_ms=1000 * first,
        latencies_ms=tuple(latencies),
    )


def frozen(model: keras.Model, images: np.ndarray) -> Callable[[], np.ndarray]:
    """Return a function that computes the logits of `images` as fast as we can.

    Batch norms are folded and variables turned into constants; one shape only.
    """
    if hasattr(model, "fold"):
        model = model.fold()
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
    return f"{processor()}, {usable_cores()} CPUs"
