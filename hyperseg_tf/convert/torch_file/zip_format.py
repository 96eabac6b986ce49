"""The zip format of torch.save: one stored member per storage and a pickle.

`zipfile` parses the directory, but nothing is read through it: torch never compresses,
so a member is a range of the file, and a range can be checked before a byte of it is
read.
"""

import io
import re
import struct
import zipfile
import zlib
from typing import NamedTuple

from hyperseg_tf.convert.refused import DAMAGED, Refused, shorten
from hyperseg_tf.convert.torch_file import pickle_data
from hyperseg_tf.convert.torch_file.objects import TorchObjects

SIGNATURE = b"PK\x03\x04"
MAX_DIRECTORY = 4 << 20
MAX_PICKLE = 32 << 20

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED = 0x1 | 0x20 | 0x40
_UTF8 = 0x800


class Extent(NamedTuple):
    """A range of the file and, in the zip format, the checksum it must have."""

    start: int
    size: int
    crc: int | None = None


def read(file, size: int) -> tuple[object, dict[str, Extent]]:
    """The pickled object of a zip file and where each of its storages lies.

    Args:
        file: Seekable binary file.
        size: Its length in bytes.

    Raises:
        Refused: If the archive is not one that torch.save writes.
    """
    members = _members(file, size)
    root = _root(members)
    if f"{root}/constants.pkl" in members:
        raise Refused("it is a TorchScript program, not a checkpoint")
    pickled = members.get(f"{root}/data.pkl")
    if pickled is None:
        raise Refused("the archive has no data.pkl", DAMAGED)
    _check_byte_order(file, members.get(f"{root}/byteorder"))
    data = _small(file, pickled, MAX_PICKLE)
    objects = TorchObjects()
    source = pickle_data.Source(io.BytesIO(data), len(data))
    result = pickle_data.load(source, objects)
    if source.left:
        raise Refused("bytes follow the end of data.pkl")
    return result, _storages(root, members, objects)


def _storages(root, members, objects):
    extents = {}
    for key, storage in objects.storages.items():
        extent = members.get(f"{root}/data/{key}")
        if extent is None or not re.fullmatch(r"[0-9]+", key):
            raise Refused(f"storage {shorten(key)} is not in the archive", DAMAGED)
        if extent.size != storage.size:
            raise Refused(
                f"storage {key} needs {storage.size} bytes, its member has "
                f"{extent.size}",
                DAMAGED,
            )
        extents[key] = extent
    return extents


def _members(file, size):
    """Name -> extent of every member; checks what a hostile archive would play with."""
    directory = _check_end(file, size)
    try:
        with zipfile.ZipFile(file) as archive:
            infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
        raise Refused(f"the archive's directory is unreadable: {error}") from error
    except (EOFError, OverflowError, OSError) as error:
        raise Refused("the archive's directory is cut off", DAMAGED) from error
    members, end = {}, 0
    for info in infos:
        name = info.orig_filename
        _check_name(name)
        if name in members:
            raise Refused(f"member {shorten(name)} is there twice")
        if info.flag_bits & _ENCRYPTED:
            raise Refused(f"member {shorten(name)} is encrypted")
        if info.compress_type != zipfile.ZIP_STORED:
            raise Refused(f"member {shorten(name)} is compressed, torch never does")
        if info.compress_size != info.file_size:
            raise Refused(f"member {shorten(name)} has two sizes", DAMAGED)
        if info.header_offset < end:
            raise Refused(f"member {shorten(name)} overlaps another")
        start = _data_start(file, info, directory)
        end = start + info.file_size
        if end > directory:
            raise Refused(f"member {shorten(name)} is cut off", DAMAGED)
        members[name] = Extent(start, info.file_size, info.CRC)
    return members


def _check_end(file, size):
    """Start of the central directory, which must end where the end record begins."""
    place = size - _END.size
    signature, *_, length, start, comment = _unpack(file, place, _END)
    if signature != b"PK\x05\x06" or comment:
        raise Refused("the archive has no end", DAMAGED)
    # torch writes the 64-bit record even where 32 bits would do; it then counts.
    locator = _unpack(file, max(0, place - _END64_LOCATOR.size), _END64_LOCATOR)
    if locator[0] == b"PK\x06\x07":
        place -= _END64_LOCATOR.size + _END64.size
        record = _unpack(file, place, _END64)
        if record[0] != b"PK\x06\x06" or locator[2] != place:
            raise Refused("the archive has no 64-bit end", DAMAGED)
        length, start = record[8:]
    if length > MAX_DIRECTORY:
        raise Refused(f"the archive's directory has {length} bytes")
    if start + length != place:
        raise Refused("the archive's directory is not where its end says", DAMAGED)
    return start


def _check_name(name):
    parts = name.split("/")
    if len(name) > 512 or re.search(r"[\x00-\x1f\\]|^[A-Za-z]:", name):
        raise Refused(f"member {shorten(name)} has a name that torch never writes")
    if name.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise Refused(f"member {shorten(name)} leads out of the archive")


def _root(members):
    roots = sorted({name.split("/")[0] for name in members})
    if len(roots) != 1:
        raise Refused(f"the archive has {len(roots)} top folders, torch writes one")
    return roots[0]


def _data_start(file, info, limit):
    if not 0 <= info.header_offset < limit:
        raise Refused(f"member {shorten(info.filename)} is outside the file", DAMAGED)
    header = _unpack(file, info.header_offset, _LOCAL)
    encoding = "utf-8" if info.flag_bits & _UTF8 else "cp437"
    name = file.read(header[-2])
    if header[0] != SIGNATURE or name != info.orig_filename.encode(encoding):
        raise Refused(
            f"member {shorten(info.filename)} is not where the directory says", DAMAGED
        )
    return info.header_offset + _LOCAL.size + header[-2] + header[-1]


def _check_byte_order(file, extent):
    if extent is not None and _small(file, extent, 16) != b"little":
        raise Refused("it was written on a big-endian machine")


def _small(file, extent, limit):
    if extent.size > limit:
        raise Refused(f"a member of {extent.size} bytes is longer than {limit}")
    file.seek(extent.start)
    data = file.read(extent.size)
    if len(data) != extent.size or zlib.crc32(data) != extent.crc:
        raise Refused("a member fails its checksum", DAMAGED)
    return data


def _unpack(file, place, form):
    if place < 0:
        raise Refused("the archive is cut off", DAMAGED)
    file.seek(place)
    data = file.read(form.size)
    if len(data) != form.size:
        raise Refused("the archive is cut off", DAMAGED)
    return form.unpack(data)
