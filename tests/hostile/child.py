"""The process that reads hostile files: one JSON line in, one out, until it is ended.

    python -m tests.hostile.child FOLDER MEGABYTES

A line asks for a door and a path, or for a request by its number.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"


def main() -> None:
    """Answer until stdin ends."""
    folder, megabytes = Path(sys.argv[1]), int(sys.argv[2])
    # Whatever writes to the real stdout does not end up between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    import tensorflow as tf

    import hyperseg_tf.cli  # noqa: F401
    from hyperseg_tf.pipelines import verdicts
    from tests.hostile.guard import Guard

    # The check's own cache lies with the files of the attack, not with the user's.
    verdicts.folder = lambda: folder / "out" / "checked"

    here = Path(__file__).parents[2]
    readable = [here, folder / "model.keras", folder / "export", folder / "data"]
    readable += [folder / "case", folder / "sound.png", folder / "label.png"]
    # Beside a model, `evaluate` looks for what it was trained on.
    readable += [folder / "run.json"]
    guard = Guard(readable, [folder / "out"])
    doors = _Doors(folder)
    size = 1024 * int(
        next(x for x in open("/proc/self/status") if x.startswith("VmSize")).split()[1]
    )
    limit = size + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    del tf
    print(json.dumps({"ready": True}), file=answers)
    for line in sys.stdin:
        asked = json.loads(line)
        start = time.monotonic()
        guard.start()
        try:
            outcome, said = doors.open(**asked)
        except BaseException as error:
            outcome, said = "crashed", f"{type(error).__name__}: {error}"[:600]
        answer = {
            "outcome": outcome,
            "said": said,
            "seconds": time.monotonic() - start,
            "violations": guard.stop(),
        }
        print(json.dumps(answer), file=answers)


class _Doors:
    """What a line can ask for."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.signatures = None

    def open(self, kind: str, door: str, path: str) -> tuple[str, str]:
        """Read a file through a door, or answer a request that lies in it."""
        if kind == "requests":
            return self._serve(door, Path(path))
        from tests.hostile.doors import DOORS

        return DOORS[kind][door](Path(path), self.folder)

    def _serve(self, signature, path):
        import numpy as np
        import tensorflow as tf

        if self.signatures is None:
            loaded = tf.saved_model.load(str(self.folder / "export"))
            self.signatures = (loaded, loaded.signatures)
        # Written by this project a moment ago: an array of bytes needs pickle.
        value = np.load(path, allow_pickle=True)["value"]
        function = self.signatures[1][signature]
        (name,) = function.structured_input_signature[1]
        try:
            value = tf.constant(list(value) if value.dtype == object else value)
            if value.shape == (0,) and name == "encoded":
                value = tf.zeros((0,), tf.string)
            found = function(**{name: value})
        except (tf.errors.OpError, TypeError, ValueError) as error:
            return "refused", str(error).strip().splitlines()[0]
        digest = {
            key: [list(map(int, output.shape)), _sum(output.numpy())]
            for key, output in found.items()
        }
        return "taken", json.dumps(digest, sort_keys=True)


def _sum(output):
    """Of numbers, or of the bytes of strings."""
    import numpy as np

    values = output
    if output.dtype == object:
        values = np.frombuffer(b"".join(output.ravel()), np.uint8)
    return float(np.sum(values, dtype="float64"))


if __name__ == "__main__":
    main()
