"""A SavedModel where TensorFlow Serving looks for one: a numbered folder below a name.

    models/road/                        --out; the base folder, named as the model
    models/road/1/                      --version 1
        saved_model.pb, variables/      as `export/saved_model.py` writes it
        assets.extra/classes.json
        assets.extra/tf_serving_warmup_requests
    models/road/batching_parameters.txt for --batching_parameters_file; yours to change

TensorFlow Serving polls the base folder and takes the largest number. So a version
appears by one rename, complete, under a name that was no number before; none that is
there is touched, and none comes behind a larger one, where it would not be served.
"""

import json
from collections.abc import Callable
from pathlib import Path

from hyperseg_tf.base.atomic import atomic_file, atomic_folder, check_target
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.limit import Limit
from hyperseg_tf.base.pixels import MIN_SIDE
from hyperseg_tf.export import warmup
from hyperseg_tf.export.saved_model import CLASSES_FILE

BATCHING_FILE = "batching_parameters.txt"

# What TensorFlow Serving counts versions in.
_LARGEST = 2**63 - 1

# Of models that do not say what size they were made for.
_USUAL_SIZE = (512, 512)

_MOST_AT_ONCE = 8

_BATCHING = """\
# For TensorFlow Serving: --enable_batching --batching_parameters_file=THIS FILE.
# Written once by `hyperseg-tf export --version`, and yours to change.

# Pictures of one or more requests that run as one. Together they must keep to the
# export's --max-pixels ({pixels}), or all of them fail, so these are {at_once} of
# {height}x{width}. A request of more pictures is refused.
max_batch_size {{ value: {at_once} }}

# Microseconds to wait for more requests while a thread is free: not at all.
batch_timeout_micros {{ value: 0 }}

# Batches that run at the same time; each needs the memory of its pixels.
num_batch_threads {{ value: 2 }}

# Batches that wait; a request beyond is refused at once, and its client may try again.
max_enqueued_batches {{ value: 64 }}

# Images of other sizes are never filled to fit: filling would be segmented, too.
pad_variable_length_inputs: false
"""


def check(format: str, overwrite: bool) -> None:
    """Raise `UserError` for what cannot have a version."""
    if format != "saved_model" or overwrite:
        raise UserError(
            "a version (--version) is a SavedModel and never replaced: got "
            f"{format!r}{' with --overwrite' if overwrite else ''}; leave that out."
        )


def write(export: Callable[[Path], object], base: Path, version: int) -> Path:
    """Publish a version of a model below its base folder, and return its folder.

    Args:
        export: Writes a SavedModel to the empty folder that it is given, or raises.
        base: Folder of the versions, made where missing.
        version: 1 or a larger number.

    Raises:
        UserError: There is this version or a larger one, `base` is something else than
            a folder of versions, `version` is no such number, or the protocol of
            TensorFlow Serving is not installed; and what `export` raises.
    """
    warmup.check_protocol()
    _check_version(base, version)
    out = base / str(version)
    with atomic_folder(out) as folder:
        export(folder)
        facts = json.loads((folder / CLASSES_FILE).read_text("utf-8"))
        limit = Limit(facts["max_pixels"], facts["size_multiple"], facts["max_side"])
        size = usual_size(facts, limit)
        warmup.write(folder / warmup.FILE, base.resolve().name, size)
        # Another export may have come first.
        _check_version(base, version)
    if not (base / BATCHING_FILE).exists():
        with atomic_file(base / BATCHING_FILE) as temporary:
            temporary.write_text(batching_parameters(limit, size), "utf-8")
    return out


def usual_size(facts: dict, limit: Limit) -> tuple[int, int]:
    """(height, width) of the pictures a model was made for, or what `limit` holds."""
    height, width = (facts.get("preset") or {}).get("image_size", _USUAL_SIZE)
    while not limit.holds(height, width):
        height, width = max(height // 2, MIN_SIDE), max(width // 2, MIN_SIDE)
    return height, width


def batching_parameters(limit: Limit, size: tuple[int, int]) -> str:
    """The text of a file for `--batching_parameters_file`.

    Args:
        limit: What a request may have.
        size: (height, width) of most pictures.
    """
    at_once = max(1, min(_MOST_AT_ONCE, limit.pixels // limit.padded(*size)))
    return _BATCHING.format(
        pixels=limit.pixels, at_once=at_once, height=size[0], width=size[1]
    )


def _check_version(base: Path, version: int) -> None:
    if isinstance(version, bool) or not isinstance(version, int):
        raise UserError(f"a version is a whole number: got {version!r}.")
    if not 1 <= version <= _LARGEST:
        raise UserError(f"a version is 1 or a larger number: got {version}.")
    if (base / "saved_model.pb").exists():
        raise UserError(
            f"versions lie below a folder of their own: {base} is a SavedModel; name "
            "another --out."
        )
    check_target(base, overwrite=True)
    found = [] if not base.is_dir() else [path.name for path in base.iterdir()]
    numbers = [int(name) for name in found if name.isascii() and name.isdigit()]
    latest = max(numbers, default=0)
    if version <= latest:
        raise UserError(
            "versions are never replaced, and the largest is served: got --version "
            f"{version}, and {base} has {latest}; name {latest + 1}."
        )
