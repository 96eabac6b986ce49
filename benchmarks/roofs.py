"""Measure what the processors can do at most: multiply-adds and copied bytes.

    python -m benchmarks.roofs [--threads 1 2]

`roofs.cc` is compiled for this processor by the compiler that builds the custom ops.
"""

import argparse
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.blocks.work import Roofs
from benchmarks.harness.turns import processors
from hyperseg_tf.ops import compiler

SOURCE = Path(__file__).with_suffix(".cc")
_FLAGS = ("-std=c++17", "-O3", "-march=native", "-pthread")


@contextmanager
def program() -> Iterator[Path]:
    """The compiled program, as long as the context lasts.

    Raises:
        KernelsUnavailable: There is no compiler.
        subprocess.CalledProcessError: It failed; what it said is on stderr.
    """
    with tempfile.TemporaryDirectory() as folder:
        binary = Path(folder) / "roofs"
        command = [compiler.path(), *_FLAGS, str(SOURCE), "-o", str(binary)]
        subprocess.run(command, check=True)
        yield binary


def measure(binary: Path, threads: int) -> Roofs:
    """Run the program with as many threads, each on a processor of its own."""

    def limit():
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, processors()[:threads])

    done = subprocess.run(
        [str(binary), str(threads)],
        check=True,
        capture_output=True,
        text=True,
        preexec_fn=limit,
    )
    return parse(done.stdout)


def parse(text: str) -> Roofs:
    """What the program printed: FLOP/s and bytes/s."""
    flops, moved = text.split()
    return Roofs(float(flops), float(moved))


def higher(one: Roofs, other: Roofs) -> Roofs:
    """The higher of both roofs: a disturbed measurement is too low, never too high."""
    return Roofs(
        max(one.flops_per_second, other.flops_per_second),
        max(one.bytes_per_second, other.bytes_per_second),
    )


def main() -> None:
    """Print the roofs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args()
    with program() as binary:
        for threads in args.threads:
            print(describe(measure(binary, threads), threads))


def describe(roofs: Roofs, threads: int) -> str:
    """One line of text."""
    return (
        f"roofs, threads {threads}: "
        f"{roofs.flops_per_second / 1e9:.1f} GFLOP/s of multiply-adds in registers, "
        f"{roofs.bytes_per_second / 1e9:.1f} GB/s copied (read and written)"
    )


if __name__ == "__main__":
    main()
