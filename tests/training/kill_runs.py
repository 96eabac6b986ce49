"""Kill a small training run at random moments until it ends, and compare.

    python -m tests.training.kill_runs [--kills N] [--devices N] [--seed S]

A state is written after every step, so that most kills hit a write. Weights, optimizer,
best model, best score and the log (but for its columns of time) must be, bit for bit,
those of a run that nobody killed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.training.tiny_run import assert_same_run, write_data

ROOT = Path(__file__).parents[2]
EPOCHS = 6
_LONGEST_S = 300


def run(data: Path, out: Path, devices: int, delay_s: float | None = None) -> bool:
    """Train; kill it `delay_s` after its first state, and say whether it had ended."""
    command = [sys.executable, "-m", "tests.training.tiny_run", str(data), str(out)]
    command += [str(EPOCHS), "0", str(devices)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    latest = out / "latest.keras"
    before = latest.stat().st_mtime_ns if latest.exists() else 0
    said = out.parent / f"{out.name}.txt"
    with said.open("a") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        deadline = time.monotonic() + _LONGEST_S
        while delay_s is not None and process.poll() is None:
            if latest.exists() and latest.stat().st_mtime_ns != before:
                time.sleep(delay_s)
                process.kill()
                break
            if time.monotonic() > deadline:
                process.kill()
                raise AssertionError(said.read_text()[-3000:])
            time.sleep(0.005)
        status = process.wait(_LONGEST_S)
    if status not in (0, -9):
        raise AssertionError(said.read_text()[-3000:])
    return status == 0


def kill_runs(folder: Path, kills: int, devices: int = 1, seed: int = 0) -> int:
    """Compare runs that were killed with one that was not; returns the kills."""
    rng = np.random.default_rng(seed)
    data = write_data(folder / "data")
    run(data, folder / "whole", devices)
    done = number = 0
    while done < kills:
        out = folder / f"killed{number}"
        number += 1
        # Several kills of one run, each goes on where the last one was saved.
        for _ in range(min(5, kills - done)):
            if run(data, out, devices, float(rng.uniform(0, 1.0))):
                break
            done += 1
        run(data, out, devices)
        assert_same_run(out, folder / "whole")
        left = [path.name for path in out.glob(".*.*")]
        if left:
            raise AssertionError(f"half-written files are left: {left}")
    return done


def main() -> int:
    """Kill as often as asked; raises where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        done = kill_runs(Path(folder), args.kills, args.devices, args.seed)
    print(
        f"{done} kills on {args.devices} device(s): weights, optimizer, best model and "
        "score, and logs are those of a run that was not killed"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
