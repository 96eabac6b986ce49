"""The processes, of one machine or of several, that share the batches of a run.

They are JAX's. Every process takes the same steps on its part of each batch and has the
same weights after each; the first alone writes files. Whatever only one of them can
know (a file that is missing, a signal) is told to all, so that all do the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import keras
import numpy as np

from hyperseg_tf.base.errors import UserError

HEARTBEAT_SECONDS = 100

_started: "Processes | None" = None


@dataclass(frozen=True)
class Processes:
    """One process among those of a run.

    Args:
        coordinator: HOST:PORT of the first process, as all of them reach it.
        count: Number of processes, at least 1.
        index: Number of this one, 0 to count - 1; 0 is the first.
        heartbeat_s: Seconds without a sign of life after which a process counts as
            dead, and the others end; at least 1.

    Raises:
        UserError: One of them is out of its range.
    """

    coordinator: str
    count: int
    index: int
    heartbeat_s: int = HEARTBEAT_SECONDS

    def __post_init__(self) -> None:
        host, _, port = self.coordinator.rpartition(":")
        if not host or not port.isdecimal():
            raise UserError(
                "the coordinator is the first process, HOST:PORT: got "
                f"{self.coordinator!r}; give all processes the same, "
                "--coordinator 10.0.0.1:1234."
            )
        if not 0 <= self.index < self.count:
            raise UserError(
                "processes are numbered from 0 to one below their number: got "
                f"process {self.index} of {self.count}; change --process-id or "
                "--processes."
            )
        if self.heartbeat_s < 1:
            raise UserError(
                "a process counts as dead after at least 1 second: got "
                f"{self.heartbeat_s}; change --heartbeat."
            )

    def start(self) -> None:
        """Meet the others; nothing may have been computed with JAX before.

        Raises:
            UserError: Keras' backend is not JAX, JAX is in use already, or the others
                do not come.
        """
        global _started
        if _started == self:
            return
        if keras.backend.backend() != "jax":
            raise UserError(
                "several processes share batches under JAX only: the backend is "
                f"{keras.backend.backend()}; set KERAS_BACKEND=jax."
            )
        import jax

        try:
            jax.distributed.initialize(
                self.coordinator,
                self.count,
                self.index,
                cluster_detection_method="deactivate",
                initialization_timeout=3 * self.heartbeat_s,
                heartbeat_timeout_seconds=self.heartbeat_s,
                shutdown_timeout_seconds=self.heartbeat_s,
            )
        except RuntimeError as error:  # its own, and those of the connection
            said = str(error).splitlines()[0].rstrip(".")
            raise UserError(
                f"process {self.index} of {self.count} must meet the others at "
                f"{self.coordinator} before it computes anything: {said}; start all of "
                f"them within {3 * self.heartbeat_s} seconds."
            ) from error
        _started = self


def count() -> int:
    """How many processes there are; 1 unless they were started."""
    return _started.count if _started else 1


def index() -> int:
    """Which one this is, from 0."""
    return _started.index if _started else 0


def first() -> bool:
    """Whether this process is the one that writes files."""
    return index() == 0


def gather(data: bytes) -> list[bytes]:
    """What every process gives, in their order; all must call it."""
    if count() == 1:
        return [data]
    from jax.experimental import multihost_utils

    lengths = multihost_utils.process_allgather(np.array([len(data)], np.int32))
    lengths = [int(length) for length in lengths.reshape(-1)]
    # Few sizes, since each is compiled.
    padded = np.zeros(1 << (max(lengths) - 1).bit_length() if max(lengths) else 1, "u1")
    padded[: len(data)] = np.frombuffer(data, "u1")
    found = multihost_utils.process_allgather(padded)
    parts = zip(found.reshape(count(), -1), lengths, strict=True)
    return [part[:length].tobytes() for part, length in parts]


def total(values: np.ndarray) -> np.ndarray:
    """The sum of an array over all processes, of its own dtype, the same in each."""
    if count() == 1:
        return values
    parts = gather(np.ascontiguousarray(values).tobytes())
    arrays = [np.frombuffer(part, values.dtype) for part in parts]
    return sum(arrays[1:], arrays[0]).reshape(values.shape)


def largest(number: int) -> int:
    """The largest of what the processes give."""
    return max(int(part) for part in gather(b"%d" % number))


@contextmanager
def together() -> Iterator[None]:
    """Leave when every process does; raise in all what one of them cannot go on with.

    Raises:
        UserError: That of this process, or of the first that has one.
    """
    own = None
    try:
        yield
    except UserError as error:
        own = error
    said = [part.decode() for part in gather(str(own or "").encode())]
    if own is not None:
        raise own
    for number, text in enumerate(said):
        if text:
            raise UserError(f"process {number} of {count()}: {text}")
