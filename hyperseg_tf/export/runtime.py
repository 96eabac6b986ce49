"""An export in a process of its own, without the project: pictures in, answers out."""

import io
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.text import shortened
from hyperseg_tf.export.formats import Format

_RUN = Path(__file__).with_name("runtimes") / "run.py"

# Where the project's packages are.
_PROJECT = Path(__file__).parents[2]

# The program in `runtimes/` that opens a file of a format, by suffix.
_PROGRAMS = {
    ".pb": "saved_model",
    ".tflite": "tflite",
    ".onnx": "onnx",
    ".xml": "openvino",
    ".plan": "tensorrt",
}


def opened(format: Format, folder: Path) -> tuple[str, Path]:
    """Program and file that an export in a folder is run by.

    The first of its format's files that is there: of TensorRT that is the ONNX file
    where no engine could be built.
    """
    path = next(folder / name for name in format.files if (folder / name).exists())
    return _PROGRAMS[path.suffix], path


@dataclass(frozen=True)
class Cost:
    """What one answer took.

    Attributes:
        seconds: Wall time.
        cpu_seconds: Time of the processor, all threads together.
        peak_mb: Largest memory of the process so far.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float


class Runtime:
    """A running export; leaving the `with` block ends its process.

    Nothing of the project can be imported there: `python -I` searches neither the
    working folder nor PYTHONPATH, and an installed copy is blocked by name.

    Args:
        name: Of the format, a module in `runtimes/`.
        path: The file or folder.
        threads: 0 leaves the choice to the runtime.
        project: Whether the project can be imported after all: for the model that an
            export is compared with.

    Raises:
        UserError: It does not load.
    """

    def __init__(
        self, name: str, path: str | Path, threads: int = 0, *, project: bool = False
    ) -> None:
        self._name = name
        self._project = project
        self._errors = tempfile.TemporaryFile()
        words = [sys.executable, "-I", _RUN, name, path, threads]
        words += [_PROJECT] if project else []
        self._process = subprocess.Popen(
            [str(word) for word in words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        try:
            (self.load_seconds,) = self._receive("load")
        except BaseException:
            self.close()
            raise
        self.cost = None

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Answer uint8 (B, H, W, 3); `cost` then says what it took.

        Raises:
            UserError: It fails.
        """
        file = io.BytesIO()
        np.save(file, images, allow_pickle=False)
        try:
            self._process.stdin.write(file.tell().to_bytes(8, "little"))
            self._process.stdin.write(file.getbuffer())
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # Receiving says why.
        output = self._receive("run")
        self.cost = Cost(*self._receive("run"))
        return output

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._errors):
            try:
                file.close()
            except BrokenPipeError:
                pass

    def __enter__(self) -> "Runtime":
        return self

    def __exit__(self, *error) -> None:
        self.close()

    def _receive(self, what: str) -> np.ndarray:
        length = int.from_bytes(self._process.stdout.read(8), "little")
        contents = self._process.stdout.read(length)
        if length and len(contents) == length:
            return np.load(io.BytesIO(contents), allow_pickle=False)
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"exit status {self._process.returncode}"
        rule = f"a model must {what}"
        if not self._project:
            rule = f"an export must {what} without this project"
        raise UserError(
            f"{rule}: {self._name} in a process of its own failed "
            f"({shortened(reason)}); nothing was written."
        )
