"""How far a model's tensors are from stored ones of the released code.

The stored file is an `.npz`: per input a prefix such as `a/` with `image` (N, 3, H, W)
and any of `feature_1` .. `feature_5`, `feature_head`, `signal`, `level_<i>`, `logits`
in that layout. A large tensor may be thinned, `<name>_stride3`; of generated weights
there are `weights_<i>_sample` (every `_sample_step`-th value) and
`weights_<i>_per_parameter_mean`.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hyperseg_tf.base.errors import UserError

# Ten times what the released code differs from itself between machines.
LARGEST = 2e-4
MEAN = 5e-6

_TENSOR = re.compile(
    r"((?:feature|weights|level)_\d+|feature_head|signal|logits)(_.*)?"
)
_PARTS = (None, "_shape", "_stride3", "_sample", "_per_parameter_mean")


@dataclass(frozen=True)
class Row:
    """One compared tensor.

    Attributes:
        input: Prefix of the input in the file.
        tensor: Name, as `HyperSeg.taps` has it.
        shape: (N, C, H, W) of the whole tensor.
        largest: Largest difference over the largest stored value.
        mean: Mean difference over the largest stored value.
    """

    input: str
    tensor: str
    shape: tuple[int, ...]
    largest: float
    mean: float

    @property
    def passes(self) -> bool:
        """Whether both differences are within `LARGEST` and `MEAN`."""
        return self.largest <= LARGEST and self.mean <= MEAN


def compare(model, activations: str | Path) -> list[Row]:
    """Run a model on the stored inputs and compare every stored tensor.

    Args:
        model: An unfolded `HyperSeg`.
        activations: An `.npz` file, see the module.

    Raises:
        UserError: If the file is unreadable, has no input, or has tensors that this
            architecture has not.
    """
    path = Path(activations)
    try:
        stored = np.load(path, allow_pickle=False)
        if not isinstance(stored, np.lib.npyio.NpzFile):
            raise ValueError("it is a single array")
        with stored:
            return list(_rows(model, stored, path))
    except (OSError, EOFError, KeyError, ValueError) as error:
        raise _unreadable(path, error) from error
    except (zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise _unreadable(path, error) from error


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table with a verdict each."""
    lines = [
        "Differences relative to the tensor's largest stored value; a tensor passes "
        f"within {LARGEST:g} (largest) and {MEAN:g} (mean).",
        "",
        "| input | tensor | shape | largest | mean | passes |",
        "|---|---|---|---:|---:|---|",
    ]
    lines += [
        f"| {row.input} | {row.tensor} | {'x'.join(map(str, row.shape))} "
        f"| {row.largest:.1e} | {row.mean:.1e} | {'yes' if row.passes else '**no**'} |"
        for row in rows
    ]
    return "\n".join([*lines, ""])


def _rows(model, stored, path) -> Iterator[Row]:
    names = stored.files
    inputs = [name.removesuffix("/image") for name in names if name.endswith("/image")]
    if not inputs:
        raise UserError(
            f"an activations file has an image for each input: {path} has no "
            "'<input>/image'; store one as (N, 3, H, W)."
        )
    taps = model.taps()
    for case in inputs:
        image = stored[f"{case}/image"]
        if image.ndim != 4 or image.shape[1] != 3 or min(image.shape[2:]) < 32:
            raise UserError(
                "an image must be (N, 3, H, W) with sides from 32 pixels: got "
                f"{image.shape} in {path}, {case}/image; store it like that."
            )
        found = taps(image.transpose(0, 2, 3, 1).astype("float32"), training=False)
        found = {k: np.asarray(v).transpose(0, 3, 1, 2) for k, v in found.items()}
        _check_names(model, stored, case, found, path)
        for tensor, value in found.items():
            yield from _compared(stored, case, tensor, value)


def _check_names(model, stored, case, found, path):
    """Refuse a file that was stored from another architecture."""
    for name in stored.files:
        match = _TENSOR.fullmatch(name.removeprefix(f"{case}/"))
        if not match or not name.startswith(f"{case}/") or match[2] not in _PARTS:
            continue
        tensor, part = match.groups()
        shape = None
        if part in (None, "_shape"):
            shape = tuple(stored[name]) if part else stored[name].shape
        if tensor not in found or shape not in (None, found[tensor].shape):
            ours = found[tensor].shape if tensor in found else "no such tensor"
            raise UserError(
                f"activations must be of the same architecture: {name} in {path} is "
                f"{'there' if shape is None else tuple(map(int, shape))}, "
                f"{model.preset.name} has {ours}; take the file of that model."
            )


def _compared(stored, case, tensor, value):
    key = f"{case}/{tensor}"
    if f"{key}_sample" in stored.files:
        step = int(stored[f"{key}_sample_step"].item())
        yield _row(
            case, tensor, value, value.reshape(-1)[::step], stored[f"{key}_sample"]
        )
    elif key in stored.files:
        yield _row(case, tensor, value, value, stored[key])
    elif f"{key}_stride3" in stored.files:
        yield _row(case, tensor, value, value[:, :, ::3, ::3], stored[f"{key}_stride3"])
    if f"{key}_per_parameter_mean" in stored.files:
        # The sample leaves values out, the mean of every parameter does not.
        means = stored[f"{key}_per_parameter_mean"]
        name = f"{tensor}, mean per parameter"
        yield _row(case, name, value, value.mean((0, 2, 3)), means)


def _row(case, tensor, whole, found, want):
    if found.shape != want.shape:
        raise ValueError(f"{case}/{tensor} has {want.shape} values, not {found.shape}")
    scale = max(float(np.abs(want).max(initial=0)), np.finfo("float32").tiny)
    difference = np.abs(found.astype("float64") - want)
    return Row(
        input=case,
        tensor=tensor,
        shape=whole.shape,
        largest=float(difference.max(initial=0)) / scale,
        mean=float(difference.mean()) / scale if difference.size else 0.0,
    )


def _unreadable(path, error):
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return UserError(
        f"an activations file must be a readable .npz: {path} is not ({reason}); see "
        "hyperseg_tf.convert.parity for what it holds."
    )
