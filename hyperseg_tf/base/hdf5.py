"""Arrays of an HDF5 file from a stranger.

HDF5 can do far more than hold numbers: it links to other files, reads its data from
them, unpacks kilobytes into gigabytes and loops. `scan` lets through what files of
weights have, plain arrays in plain groups, and says of each what it is before any
value is read. All of them together are never larger than the file.
"""

from collections.abc import Iterator

import h5py

from hyperseg_tf.base.text import first_line

_MOST_OBJECTS = 20_000
_DEEPEST = 64
_MOST_AXES = 8
# Of numbers; complex ones, texts and records are none.
_KINDS = "fiu"


class HDF5Error(ValueError):
    """What is wrong with a file, in words without its name."""


def scan(file: h5py.File, size: int) -> dict[str, h5py.Dataset]:
    """Return all arrays of a file by their path; none is read.

    Args:
        file: Opened for reading.
        size: Of the file, in bytes.

    Raises:
        HDF5Error: There is anything that is no plain array in a plain group, or the
            arrays claim more than the file has.
    """
    found = {}
    try:
        for path, item in _objects(file):
            if isinstance(item, h5py.Dataset):
                _check_plain(path, item)
                found[path] = item
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        # What h5py makes of damaged bytes has many names.
        if isinstance(error, HDF5Error):
            raise
        raise HDF5Error(f"it is damaged ({first_line(error)})") from error
    claimed = sum(array.size * array.dtype.itemsize for array in found.values())
    if claimed > size:
        raise HDF5Error(f"its arrays claim {claimed} bytes, the file has {size}")
    return found


def is_bfloat16(array: h5py.Dataset) -> bool:
    """Whether the two bytes of each value are a bfloat16, as Keras stores it."""
    return array.dtype.kind == "V" and array.dtype.itemsize == 2


def _objects(file) -> Iterator[tuple[str, h5py.Group | h5py.Dataset]]:
    """Everything that is linked, without following a link elsewhere, once."""
    seen, waiting, count = set(), [("", file, 0)], 0
    while waiting:
        path, group, depth = waiting.pop()
        place = h5py.h5o.get_info(group.id).addr
        if place in seen or depth > _DEEPEST:
            raise HDF5Error(f"its group {path!r} is part of a loop or too deep")
        seen.add(place)
        for name in group:
            count += 1
            if count > _MOST_OBJECTS:
                raise HDF5Error(f"it has more than {_MOST_OBJECTS} objects")
            inner = f"{path}/{name}".lstrip("/")
            link = group.get(name, getclass=True, getlink=True)
            if link is not h5py.HardLink:
                raise HDF5Error(f"its {inner!r} is a link to elsewhere")
            item = group[name]
            if isinstance(item, h5py.Group):
                waiting.append((inner, item, depth + 1))
            elif isinstance(item, h5py.Dataset):
                yield inner, item
            else:
                raise HDF5Error(f"its {inner!r} is no array")


def _check_plain(path, array):
    stored = array.id.get_create_plist()
    if array.dtype.kind not in _KINDS and not is_bfloat16(array):
        raise HDF5Error(f"its {path!r} holds no numbers but {array.dtype}")
    if array.shape is None or len(array.shape) > _MOST_AXES:
        raise HDF5Error(f"its {path!r} has the shape {array.shape}")
    if stored.get_layout() not in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT):
        raise HDF5Error(f"its {path!r} is stored in pieces or elsewhere")
    if stored.get_external_count() or stored.get_nfilters():
        raise HDF5Error(f"its {path!r} is packed or lies in another file")
    size = array.size * array.dtype.itemsize
    if array.id.get_storage_size() < size:
        raise HDF5Error(f"its {path!r} claims {size} bytes and has fewer")
