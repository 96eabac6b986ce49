"""File to file: what `hyperseg-tf cluster` does."""

import os
import zlib
from dataclasses import dataclass
from pathlib import Path

from hyperseg_tf.base.atomic import atomic_file, check_file_target
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.compression.clustering import cluster
from hyperseg_tf.compression.toolkit import toolkit
from hyperseg_tf.network.model_file import load

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Clustered:
    """A file of a clustered model.

    Attributes:
        model: The `.keras` file.
        num_bytes: Its size; the values in it are not compressed.
        deflated: Its size in a zip or behind gzip.
    """

    model: Path
    num_bytes: int
    deflated: int


def cluster_file(
    model: str | os.PathLike,
    out: str | os.PathLike,
    clusters: int = 64,
    overwrite: bool = False,
) -> Clustered:
    """Cluster the kernels of a `.keras` file into another; see `clustering.cluster`.

    Args:
        model: A `.keras` file of this library, or the folder of a run.
        out: The `.keras` file, of the folded model.
        clusters: Values of a kernel at most, 2..256.
        overwrite: Replace an existing file.

    Raises:
        UserError: The toolkit is missing, the model cannot be read or `out` not
            written; nothing is written then.
        ValueError: `clusters` is out of range.
    """
    out = Path(out)
    if out.suffix != ".keras":
        raise UserError(f"a model file ends in .keras: got {out}; rename it.")
    check_file_target(out, overwrite)
    toolkit()
    clustered = cluster(load(model), clusters)
    with atomic_file(out) as temporary:
        clustered.save(temporary)
    return Clustered(out, out.stat().st_size, deflated(out))


def deflated(path: Path) -> int:
    """Bytes that a zip, or gzip, needs for a file at the highest level."""
    packer, size = zlib.compressobj(9), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            size += len(packer.compress(chunk))
    return size + len(packer.flush())
