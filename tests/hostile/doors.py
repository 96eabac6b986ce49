"""Where a file comes in: every reading command and function."""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.reporting.written_run import write_run

TAKEN, REFUSED, CRASHED = "taken", "refused", "crashed"

# What an answer is: the outcome and what was said.
Answer = tuple[str, str]


def command(*words: object) -> Answer:
    """Run `hyperseg-tf`; a refusal is status 2 and lines that begin as they must."""
    from hyperseg_tf.cli import main

    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        status = main([str(word) for word in words])
    said = errors.getvalue().strip()
    if status == 0:
        return TAKEN, said
    lines = [line for line in said.splitlines() if line.startswith("hyperseg-tf")]
    # What `data check` finds is its result.
    lines += out.getvalue().strip().splitlines()[-1:]
    if status != 2 or not lines or "Traceback" in said:
        return CRASHED, f"status {status}: {said[-500:]}"
    return REFUSED, lines[-1]


def load_model(path: Path, folder: Path) -> Answer:
    """`hyperseg_tf.load`, then one prediction."""
    import hyperseg_tf

    try:
        model = hyperseg_tf.load(path)
    except hyperseg_tf.UserError as error:
        message = str(error)
        if str(path) not in message or not message.isprintable():
            return CRASHED, f"the message does not name the file: {message!r}"
        return REFUSED, message
    hyperseg_tf.predict(model, np.zeros((32, 32, 3), np.uint8))
    return TAKEN, ""


def _with_model(*words: str) -> Callable[[Path, Path], Answer]:
    def door(path, folder):
        places = {"CASE": path, "@": folder}
        filled = [
            places["@"] / word[1:] if word[0] == "@" else places.get(word, word)
            for word in words
        ]
        return command(*filled)

    return door


def predict_picture(path: Path, folder: Path) -> Answer:
    """`predict` on a folder with the case and a sound picture, which must be done."""
    out = folder / "out"
    sound = out / "classes" / "sound.png"
    sound.unlink(missing_ok=True)
    answer = command("predict", folder / "model.keras", path.parent, "--out", out)
    if not sound.exists():
        return CRASHED, f"the sound picture beside it was not done: {answer}"
    return answer


def predict_one(path: Path, folder: Path) -> Answer:
    """`predict` on the file itself."""
    return command("predict", folder / "model.keras", path, "--out", folder / "out")


def inspect_picture(path: Path, folder: Path) -> Answer:
    """`inspect` on the file itself."""
    model, out = folder / "model.keras", folder / "out"
    return command("inspect", model, path, "--out", out, "--overwrite")


def _as_part(part: str) -> Path:
    def place(path: Path, folder: Path) -> Path:
        """Lay the case into a data set as the image or label of its one sample."""
        data = folder / "data"
        for name, sound in (("images", "sound.png"), ("labels", "label.png")):
            for split in ("train", "val"):
                target = data / split / name / "a.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                if target.is_symlink() or target.exists():
                    target.unlink()
                source = path if name == part else folder / sound
                target.symlink_to(source)
        return data

    return place


def check_as(part: str) -> Callable[[Path, Path], Answer]:
    """`data check` on a set whose images or labels are the case."""
    place = _as_part(part)
    return lambda path, folder: command("data", "check", place(path, folder))


def evaluate_as(part: str) -> Callable[[Path, Path], Answer]:
    """`evaluate` on such a set."""
    place = _as_part(part)
    return lambda path, folder: command(
        "evaluate", folder / "model.keras", "--data", place(path, folder)
    )


def train_as(part: str) -> Callable[[Path, Path], Answer]:
    """`train` on such a set."""
    place = _as_part(part)
    return lambda path, folder: _train(place(path, folder), folder, "none")


def _train(data: Path, folder: Path, weights: object) -> Answer:
    """Two steps, from some weights."""
    settings = ("preset=hyperseg_tiny", "samples_per_epoch=2", "batch_size=1")
    settings += ("epochs=1", "train.RandomCrop.height=32", "train.RandomCrop.width=32")
    return command(
        *("train", "own_folder", "--data", data, "--weights", weights, "--fresh"),
        *("--out", folder / "out" / "run"),
        *(word for setting in settings for word in ("--set", setting)),
    )


def report_with(path: Path, folder: Path) -> Answer:
    """`report` on a run that the case is a picture of."""
    run = folder / "out" / "told"
    shown = run / "overlays" / "epoch_0002.png"
    if not run.exists():
        write_run(run)
        shown.parent.mkdir()
    shown.unlink(missing_ok=True)
    shown.symlink_to(path)
    page = folder / "out" / "report.html"
    return command("report", run, "--out", page, "--overwrite")


DOORS = {
    "models": {
        "load": load_model,
        "predict": _with_model("predict", "CASE", "@sound.png", "--out", "@out"),
        "evaluate": _with_model("evaluate", "CASE", "--data", "@data"),
        "inspect": _with_model("inspect", "CASE", "@sound.png", "--out", "@out"),
        "export": _with_model("export", "CASE", "--out", "@out/export"),
        "convert": _with_model(
            *("convert", "CASE", "--to-pth", "--overwrite", "--out", "@out/back.pth")
        ),
        "train": lambda path, folder: _train(folder / "data", folder, path),
    },
    "pictures": {
        "predict": predict_picture,
        "predict one": predict_one,
        "inspect": inspect_picture,
        "check images": check_as("images"),
        "check labels": check_as("labels"),
        "evaluate images": evaluate_as("images"),
        "evaluate labels": evaluate_as("labels"),
        "train images": train_as("images"),
        "train labels": train_as("labels"),
        "report": report_with,
    },
}
