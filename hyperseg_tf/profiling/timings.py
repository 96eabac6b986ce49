"""What `benchmark` measured, as a table and as JSON."""

import json
import os
import statistics
from dataclasses import asdict, dataclass, field

import numpy as np

from hyperseg_tf.base.atomic import atomic_file
from hyperseg_tf.base.versions import versions

NETWORK = "normalised images to logits"
END_TO_END = "bytes of JPEGs to bytes of PNG masks"


@dataclass(frozen=True, kw_only=True)
class Timed:
    """Every call of one implementation.

    Attributes:
        implementation: Of the dynamic convolution; "none" of a network without it.
        first_ms: The first call, with what is left until then, as compiling by XLA.
        latencies_ms: Every timed call, in order.
        cpu_ms: The CPU time of each, of all threads.
    """

    implementation: str
    first_ms: float
    latencies_ms: tuple[float, ...]
    cpu_ms: tuple[float, ...]

    @property
    def median_ms(self) -> float:
        """Half of the calls took no longer."""
        return statistics.median(self.latencies_ms)

    @property
    def p95_ms(self) -> float:
        """95 % of the calls took no longer."""
        return float(np.percentile(self.latencies_ms, 95))


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Latencies of one model at one size.

    Attributes:
        model: Name of the preset, or the file.
        size: (height, width) of the images.
        batch_size: Images per call.
        job: `NETWORK` or `END_TO_END`.
        precision: Type that the network computes in.
        device: What it ran on.
        cores: That the process may use.
        threads: Threads of one operation; None where TensorFlow chose.
        load: Programs that wanted a core in the minute before, on average; None where
            the system does not say.
        timed: What was timed, in turns; all else is held against the first.
        left_out: (implementation, why it does not run here).
        peak_bytes: The most memory that the process has had at once; None where the
            system does not say.
    """

    model: str
    size: tuple[int, int]
    batch_size: int
    job: str
    precision: str
    device: str
    cores: int
    threads: int | None
    load: float | None
    timed: tuple[Timed, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    peak_bytes: int | None = None
    versions: dict[str, str] = field(default_factory=versions)

    @property
    def median_ms(self) -> float:
        """Of the first that was timed."""
        return self.timed[0].median_ms

    @property
    def p95_ms(self) -> float:
        """Of the first that was timed."""
        return self.timed[0].p95_ms

    @property
    def latencies_ms(self) -> tuple[float, ...]:
        """Of the first that was timed."""
        return self.timed[0].latencies_ms

    def ratio(self, row: Timed) -> float:
        """How many times as long as the first it takes: the median of all rounds."""
        first = np.array(self.latencies_ms)
        return float(np.median(np.array(row.latencies_ms) / first))

    def table(self) -> str:
        """The result as text, for people."""
        height, width = self.size
        threads = "as many threads as TensorFlow chose"
        if self.threads:
            threads = f"{self.threads} thread{'s' * (self.threads > 1)}"
        where = [self.device, f"{self.cores} CPUs", threads]
        if self.load is not None:
            where.append(f"load before {self.load:g}")
        if self.peak_bytes:
            where.append(f"peak memory {self.peak_bytes / 1e6:,.0f} MB")
        lines = [
            f"{self.model} at {height}x{width}, batch {self.batch_size}, {self.job}, "
            f"{self.precision}",
            ", ".join(where),
            f"{len(self.latencies_ms)} calls"
            + (", in turns" if len(self.timed) > 1 else ""),
            "",
            f"{'implementation':<16}{'median ms':>10}{'p95 ms':>9}{'fastest':>9}"
            f"{'CPU ms':>9}{'images/s':>10}{'first ms':>10}{'ratio':>7}",
        ]
        for row in self.timed:
            rate = 1000 * self.batch_size / row.median_ms
            lines.append(
                f"{row.implementation:<16}{row.median_ms:>10.1f}{row.p95_ms:>9.1f}"
                f"{min(row.latencies_ms):>9.1f}{statistics.median(row.cpu_ms):>9.1f}"
                f"{rate:>10.1f}{row.first_ms:>10.0f}{self.ratio(row):>7.2f}"
            )
        lines += [f"{name}: not here: {why}" for name, why in self.left_out]
        return "\n".join(lines)

    def write_json(self, path: str | os.PathLike) -> None:
        """Write the result, atomically."""
        data = asdict(self)
        if self.job == NETWORK:
            # Of the first, where a report looks for the network's latency.
            data |= {"latencies_ms": self.latencies_ms}
            data |= {"median_ms": self.median_ms, "p95_ms": self.p95_ms}
        for row, found in zip(data["timed"], self.timed, strict=True):
            row |= {"median_ms": found.median_ms, "p95_ms": found.p95_ms}
            row |= {"ratio": self.ratio(found)}
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps(data, indent=2) + "\n", "utf-8")
