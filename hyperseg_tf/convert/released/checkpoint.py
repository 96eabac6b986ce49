"""What a released checkpoint says: its state dict, its arch string, how far it came.

The optimizer's and the scheduler's state are never looked at.
"""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from hyperseg_tf.convert.refused import Refused, shorten
from hyperseg_tf.convert.torch_file.objects import TensorData
from hyperseg_tf.convert.torch_file.reader import TorchFile, open_torch

# What torch's wrappers put into the names of their parts, at any depth.
WRAPPERS = ("module", "_orig_mod")

_RULE = "a checkpoint must hold the state dict of one network in float32 or shorter"


@dataclass(frozen=True)
class Checkpoint:
    """An open checkpoint.

    Attributes:
        state: Released name, without wrappers -> tensor that has not been read.
        arch: The arch string as it came, None in a bare state dict.
        epoch: Epochs trained, if it says so.
        best_iou: Best validation mIoU, if it says so.
    """

    state: dict[str, TensorData]
    arch: object
    epoch: int | None
    best_iou: float | None
    file: TorchFile

    def float32(self, name: str) -> np.ndarray:
        """One entry as float32, in its shape, exactly.

        Raises:
            Refused: If it is no floating point, does not fit float32, or is not finite.
        """
        value = self._read(name)
        if value.dtype.kind != "f":
            raise _refused(f"{name} is {self.state[name].dtype_name}, no float")
        if not np.isfinite(value).all():
            raise _refused(
                f"{name} holds values that are not finite", "take an earlier checkpoint"
            )
        with np.errstate(over="ignore"):
            single = value.astype("<f4", copy=False)
        if value.dtype.itemsize > 4 and not (single == value).all():
            raise _refused(
                f"{name} is float64 and would lose digits",
                "save the state dict of model.float()",
            )
        return single

    def counter(self, name: str) -> int:
        """One entry as a whole number."""
        value = self._read(name)
        if value.size != 1 or not float(value.item()).is_integer():
            raise _refused(f"{name} is no whole number")
        return int(value.item())

    def _read(self, name):
        try:
            return self.file.read(self.state[name])
        except Refused as error:
            raise Refused(f"{name}: {error.reason}", error.way_out) from error


@contextmanager
def open_checkpoint(path: str | os.PathLike) -> Iterator[Checkpoint]:
    """Open a checkpoint: a dict with a "state_dict", or a bare state dict.

    Raises:
        UserError: If the file is refused, also for a `Refused` in the block.
    """
    with open_torch(path) as file:
        data = file.data
        if not isinstance(data, dict):
            raise _refused("what was saved is no dict")
        facts = data if "state_dict" in data else {}
        yield Checkpoint(
            state=_named(facts.get("state_dict", data)),
            arch=facts.get("arch"),
            epoch=_integer(facts.get("epoch")),
            best_iou=_finite(facts.get("best_iou")),
            file=file,
        )


def _named(state):
    if not isinstance(state, dict) or not state:
        raise _refused("its state dict is no dict with entries")
    named = {}
    for key, tensor in state.items():
        if not isinstance(key, str) or not isinstance(tensor, TensorData):
            what = shorten(tensor) if isinstance(key, str) else "not named by a text"
            raise _refused(
                f"entry {shorten(key)} is {what}, no tensor of a module",
                "save model.state_dict() alone or under the key 'state_dict'",
            )
        name = ".".join(part for part in key.split(".") if part not in WRAPPERS)
        if name in named:
            raise _refused(f"entry {shorten(name)} is there twice")
        named[name] = tensor
    return named


def _integer(value):
    return value if type(value) is int and 0 <= value < 2**31 else None


def _finite(value):
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if number and math.isfinite(value) else None


def _refused(reason, way_out="save the state dict again with torch.save"):
    return Refused(reason, way_out, _RULE)
