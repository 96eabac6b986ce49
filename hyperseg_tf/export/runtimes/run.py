"""Answer pictures with an export: arrays in on stdin, arrays out on stdout.

An array is a file of NumPy behind its length, 8 bytes, the lowest first. At the start
one goes out: the seconds that loading took. Then for every array of
pictures, uint8 (B, H, W, 3), two: the output, and float64 (3,): seconds, seconds of the
processor, largest memory of the process so far in MB.

An export is run without the project. Only what an export is compared with, the model
itself, is a program that needs it: a fourth argument is the folder it is found in.
"""

import importlib.util
import io
import os
import resource
import sys
import time
from pathlib import Path


def main(name: str, path: str, threads: str, project: str | None = None) -> None:
    """Serve until stdin ends."""
    # What a library prints is no answer.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if project is None:
        sys.modules["hyperseg_tf"] = None  # Importing it fails.
    else:
        sys.path.insert(0, project)

    import numpy as np

    def send(array) -> None:
        file = io.BytesIO()
        np.save(file, np.asarray(array), allow_pickle=False)
        answers.write(file.tell().to_bytes(8, "little"))
        answers.write(file.getbuffer())
        answers.flush()

    def received():
        while length := int.from_bytes(sys.stdin.buffer.read(8), "little"):
            file = io.BytesIO(sys.stdin.buffer.read(length))
            yield np.load(file, allow_pickle=False)

    start = time.perf_counter()
    file = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"runtime_of_{name}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    run = module.open_export(path, int(threads))
    send([time.perf_counter() - start])
    for images in received():
        began, cpu = time.perf_counter(), time.process_time()
        output = run(images)
        spent = [time.perf_counter() - began, time.process_time() - cpu]
        peak = peak_mb()
        send(output)
        send([*spent, peak])


def peak_mb() -> float:
    """Largest resident memory of this process."""
    try:
        # What getrusage says is no less than the memory of the process that started
        # this one: Linux counts the moment between fork and exec.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
