"""Files of torch.save put together byte by byte, so that tests can make wrong ones."""

import io
import pickle
import struct
import warnings
import zipfile

MAGIC = 0x1950A86A20F9469CFC6C
FOUR = struct.pack("<4f", 1, 2, 3, 4)  # the contents of storage "0" unless told


def text(value):
    data = value.encode("utf-8")
    return pickle.BINUNICODE + struct.pack("<I", len(data)) + data


def number(value):
    if -(2**31) <= value < 2**31:
        return pickle.BININT + struct.pack("<i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return pickle.LONG1 + bytes([len(data)]) + data


def many(*parts):
    return pickle.MARK + b"".join(parts) + pickle.TUPLE


def numbers(*values):
    return many(*map(number, values))


def named(module, name):
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def call(module, name, *arguments):
    return named(module, name) + many(*arguments) + pickle.REDUCE


def mapping(**values):
    pairs = b"".join(text(key) + value for key, value in values.items())
    return pickle.EMPTY_DICT + pickle.MARK + pairs + pickle.SETITEMS


def ordered():
    return named("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE


def storage(key="0", elements=4, kind="FloatStorage", word="storage"):
    description = many(
        text(word), named("torch", kind), text(key), text("cpu"), number(elements)
    )
    return description + pickle.BINPERSID


def tensor(shape=(4,), strides=(1,), offset=0, made_of=None, hooks=None):
    return call(
        "torch._utils",
        "_rebuild_tensor_v2",
        storage() if made_of is None else made_of,
        number(offset),
        numbers(*shape),
        numbers(*strides),
        pickle.NEWFALSE,
        ordered() if hooks is None else hooks,
    )


def program(body, protocol=2):
    return pickle.PROTO + bytes([protocol]) + body + pickle.STOP


def checkpoint(value):
    """A pickle of a checkpoint with one entry."""
    return program(mapping(state_dict=mapping(x=value)))


def zipped(pickled, storages=None, members=(), root="archive", **settings):
    """A zip file of torch; `members` are (name or ZipInfo, data) to be added."""
    file = io.BytesIO()
    storages = {"0": FOUR} if storages is None else storages
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", **settings) as archive:
        warnings.simplefilter("ignore")  # two members of one name are meant
        if pickled is not None:
            archive.writestr(f"{root}/data.pkl", pickled)
        for key, data in storages.items():
            archive.writestr(f"{root}/data/{key}", data)
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def legacy(
    pickled,
    storages=(("0", 4, FOUR),),
    magic=MAGIC,
    protocol=1001,
    little_endian=True,
    keys=None,
):
    """A file of torch before 1.6; `storages` are (key, announced elements, data)."""
    keys = [key for key, *_ in storages] if keys is None else keys
    system = {"protocol_version": 1001, "little_endian": little_endian}
    out = b"".join(pickle.dumps(value, 2) for value in (magic, protocol, system))
    out += pickled + pickle.dumps(keys, 2)
    for _, elements, data in storages:
        out += struct.pack("<q", elements) + data
    return out
