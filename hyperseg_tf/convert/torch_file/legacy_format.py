"""The format of torch.save before 1.6: five pickles, then the storages in a row.

There are no checksums and no directory: where a storage lies follows from the sizes of
those before it, so every size is compared with what the pickle announced and with the
bytes that are left.
"""

import struct

from hyperseg_tf.convert.refused import DAMAGED, Refused, shorten
from hyperseg_tf.convert.torch_file import pickle_data
from hyperseg_tf.convert.torch_file.objects import TorchObjects
from hyperseg_tf.convert.torch_file.zip_format import MAX_PICKLE, Extent

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001


def read(file, size: int) -> tuple[object, dict[str, Extent]]:
    """The pickled object of a legacy file and where each of its storages lies.

    Args:
        file: Seekable binary file.
        size: Its length in bytes.

    Raises:
        Refused: If the file is not one that torch.save wrote.
    """
    file.seek(0)
    plain = TorchObjects()
    if (found := _load(file, size, plain)) != MAGIC or type(found) is not int:
        raise Refused("it does not begin with torch's magic number")
    if _load(file, size, plain) != PROTOCOL:
        raise Refused(f"its format is not {PROTOCOL}, torch's only one")
    system = _load(file, size, plain)
    if type(system) is not dict or system.get("little_endian") is not True:
        raise Refused("it was written on a big-endian machine")
    objects = TorchObjects()
    result = _load(file, size, objects)
    keys = _load(file, size, plain)
    if type(keys) is not list or any(type(key) is not str for key in keys):
        raise Refused("its list of storages is no list of names", DAMAGED)
    if len(set(keys)) != len(keys) or set(keys) != objects.storages.keys():
        raise Refused("its list of storages is not that of its tensors", DAMAGED)
    return result, _storages(file, size, [objects.storages[key] for key in keys])


def _load(file, size, objects):
    left = min(size - file.tell(), MAX_PICKLE)
    return pickle_data.load(pickle_data.Source(file, left), objects)


def _storages(file, size, storages):
    extents, place = {}, file.tell()
    for storage in storages:
        file.seek(place)
        header = file.read(8)
        if len(header) != 8:
            raise Refused(f"storage {shorten(storage.key)} is cut off", DAMAGED)
        (elements,) = struct.unpack("<q", header)
        place += 8
        if elements != storage.elements:
            raise Refused(
                f"storage {shorten(storage.key)} has {elements} elements, its tensors "
                f"say {storage.elements}",
                DAMAGED,
            )
        if storage.size > size - place:
            raise Refused(f"storage {shorten(storage.key)} is cut off", DAMAGED)
        extents[storage.key] = Extent(place, storage.size)
        place += storage.size
    return extents
