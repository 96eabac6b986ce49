"""Hostile `.keras` files: every level at which a file can lie, from a sound one.

A file is a zip of a config and an HDF5 file of weights. Each function below spoils one
of the three and leaves the rest sound, so that what refuses it is the check meant.
"""

import copy
import io
import json
import math
import os
import struct
import warnings
import zipfile
from collections.abc import Iterator

import h5py
import numpy as np

from tests.hostile.case import EITHER, OUTSIDE, TAKEN, Case, not_files, of_bytes

CONFIG, WEIGHTS, METADATA = "config.json", "model.weights.h5", "metadata.json"

# A Keras object that runs code, opens a file or goes online when it is built.
_LAMBDA = {
    "module": "builtins",
    "class_name": "function",
    "config": "os.system",
    "registered_name": "function",
}
_LAYER = {
    "module": "keras.layers",
    "class_name": "Lambda",
    "config": {"name": "x", "function": _LAMBDA},
    "registered_name": None,
}
_SAVED_MODEL = {
    "module": "keras.layers",
    "class_name": "TFSMLayer",
    "config": {"filepath": "/tmp/evil", "call_endpoint": "serve"},
    "registered_name": None,
}
_ONLINE = {
    "module": "keras.utils",
    "class_name": "get_file",
    "config": {"origin": "http://localhost/x"},
    "registered_name": None,
}
_OBJECTS = {
    "lambda": _LAMBDA,
    "layer": _LAYER,
    "saved_model": _SAVED_MODEL,
    "online": _ONLINE,
}


def cases(sound: bytes) -> Iterator[Case]:
    """Hostile files.

    Args:
        sound: The bytes of a model that loads.
    """
    members = _members(sound)
    config = json.loads(members[CONFIG])
    yield Case("sound", of_bytes(sound), TAKEN)
    yield from _classes(members, config)
    yield from _objects(members, config)
    yield from _fields(members, config)
    yield from _presets(members, config)
    yield from _metadata(members, config)
    yield from _json(members)
    yield from _zips(sound, members)
    yield from _arrays(members)
    yield from _flips(sound, members)
    yield from not_files()


def _members(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip of these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _with_config(members, config):
    # As a lambda: dozens of files of some megabytes would stay in memory.
    return lambda path: path.write_bytes(
        packed({**members, CONFIG: json.dumps(config).encode()})
    )


def _changed(config, **fields):
    config = copy.deepcopy(config)
    config["config"].update(fields)
    return config


def _classes(members, config):
    """Ours by one name, something else by another."""
    for module, name in (
        ("os", "system"),
        ("builtins", "eval"),
        ("keras", "Sequential"),
        ("keras.layers", "Lambda"),
        ("keras.layers", "TFSMLayer"),
        ("keras.src.models.functional", "Functional"),
        ("hyperseg_tf.network.model", "keras"),
        ("hyperseg_tf", "HyperSeg"),
        ("evil.hyperseg_tf.network.model", "HyperSeg"),
        (None, None),
        (["os"], {"a": 1}),
    ):
        spoiled = {**config, "module": module, "class_name": name}
        yield Case(f"class {module}.{name}", _with_config(members, spoiled))
    for registered in ("HyperSeg", "other>HyperSeg", None, "hyperseg_tf>DPWConv", 7):
        spoiled = {**config, "registered_name": registered}
        yield Case(f"registered {registered}", _with_config(members, spoiled))


def _objects(members, config):
    """Objects of Keras wherever a value may stand."""
    for what, value in _OBJECTS.items():
        for field in ("preset", "name", "implementation", "folded", "surprise"):
            spoiled = _changed(config, **{field: value})
            yield Case(f"{what} as {field}", _with_config(members, spoiled))
        # Plain data there, as Keras never sees it.
        spoiled = _changed(config, metadata={"x": value})
        yield Case(f"{what} in metadata", _with_config(members, spoiled), TAKEN)
        for field in ("compile_config", "build_config"):
            spoiled = {**config, field: {"optimizer": value, "input_shape": value}}
            yield Case(f"{what} in {field}", _with_config(members, spoiled), TAKEN)


def _fields(members, config):
    """Arguments of other types, too many and too few."""
    for field, values in {
        "name": (7, None, ["a"], {}),
        "implementation": ("evil", 3, None, ["xla"], ""),
        "folded": (1, "yes", None, [True]),
        "metadata": (7, "a", ["b"], None),
        "preset": (None, 7, "hyperseg_tiny", [], {}),
    }.items():
        for value in values:
            spoiled = _changed(config, **{field: value})
            yield Case(f"{field} {value!r}", _with_config(members, spoiled))
    for extra in ("weights", "custom_objects", "trainable", "__class__", "cls"):
        spoiled = _changed(config, **{extra: True})
        yield Case(f"extra {extra}", _with_config(members, spoiled))
    without = copy.deepcopy(config)
    del without["config"]["preset"]
    yield Case("no preset", _with_config(members, without))
    for inner in (None, [], "x", 7):
        spoiled = {**config, "config": inner}
        yield Case(f"config {inner!r}", _with_config(members, spoiled))


def _presets(members, config):
    """Architectures that nobody could build, or only in gigabytes."""
    preset = config["config"]["preset"]
    huge = {
        "num_classes": (0, -1, 256, 10**6, 10**30, 2.5, "11", None, [11]),
        "image_size": ([0, 0], [10**9, 10**9], [64], [64, 64, 3], "64"),
        "backbone": ("", "evil", "os.system", 7, "x" * 10**6),
        "backbone_padding": ("evil", 3),
        "reductions": ([1.0] * 4, [1e300] * 5, [0] * 5, [math.nan] * 5, ["1"] * 5),
        "kernel_sizes": ([1] * 10**5, [10**6 + 1] * 5, [2] * 5, [], [[1]] * 5),
        "level_channels": ([10**7] * 4, [0] * 4, [-1] * 4, [4096] * 4, [1] * 10**5),
        "weight_groups": ([10**7] * 5, [0] * 5, [7] * 5, []),
        "shared_levels": (0, 10**6, -1, 5),
        "context_levels": (-1, 10**5, 7, 6),
        "context_head": ("evil", None),
        "halo": ("evil", 1),
        "expand_ratio": (0, 10**6, -3, 16),
        "positions": ("no", None, 2),
        "patch_size": (0, 33, 10**9, -32, "32"),
        "dynamic": ("no", 0),
        "name": ("", "\x1b[2J", "a\nb", "x" * 10**5, 7),
    }
    for field, values in huge.items():
        for number, value in enumerate(values):
            spoiled = _changed(config, preset={**preset, field: value})
            yield Case(f"preset {field} {number}", _with_config(members, spoiled))
    everything = {**preset, "level_channels": [4096] * 4, "expand_ratio": 16}
    for backbone in ("resnet50", "pspnet50", "efficientnet-b1"):
        spoiled = _changed(config, preset={**everything, "backbone": backbone})
        yield Case(f"preset large {backbone}", _with_config(members, spoiled))
    spoiled = _changed(config, preset={**preset, "surprise": 1})
    yield Case("preset surprise", _with_config(members, spoiled))


def _metadata(members, config):
    """Facts that would be printed, drawn or exported."""
    count = config["config"]["preset"]["num_classes"]
    names = [f"class {i}" for i in range(count)]
    colours = [[i, i, i] for i in range(count)]
    for field, sound, spoilers in (
        ("classes", names, ("", 7, None, ["a"], "\x1b[2Jx", "a\nb", "x" * 101, "\x07")),
        ("colours", colours, ([1, 2], [1, 2, 256], [-1, 2, 3], [0.5, 1, 2], "red", 7)),
    ):
        for number, value in enumerate(spoilers):
            spoiled = _changed(config, metadata={field: [value, *sound[1:]]})
            yield Case(f"metadata {field} {number}", _with_config(members, spoiled))
        for number, value in enumerate((sound[1:], sound * 2, {}, "abc", 7, [])):
            spoiled = _changed(config, metadata={field: value})
            yield Case(
                f"metadata {field} list {number}", _with_config(members, spoiled)
            )
        yield Case(
            f"metadata {field} sound",
            _with_config(members, _changed(config, metadata={field: sound})),
            TAKEN,
        )
    large = _changed(config, metadata={"x": "y" * 1_100_000})
    yield Case("metadata 1.1 MB", _with_config(members, large))


def _json(members):
    """Bytes that are no config."""
    deep = 100_000
    for name, content in {
        "empty": b"",
        "no JSON": b"{",
        "number": b"7",
        "list": b"[]",
        "null": b"null",
        "binary": os.urandom(1000),
        "UTF-16": "{}".encode("utf-16"),
        "deep": b"[" * deep + b"]" * deep,
        "deep object": b'{"a":' * deep + b"1" + b"}" * deep,
        "long number": b'{"module": ' + b"9" * 10**6 + b"}",
        "11 MB": b'{"module": "' + b"x" * 11_000_000 + b'"}',
    }.items():
        yield Case(f"JSON {name}", of_bytes(packed({**members, CONFIG: content})))


def _zips(sound, members):
    """Archives that lie or break."""
    for name, length in (("half", len(sound) // 2), ("tail", len(sound) - 30)):
        yield Case(f"zip cut to {name}", of_bytes(sound[:length]))
    for content in (b"", b"PK", b"PK\x05\x06" + bytes(18), os.urandom(5000)):
        yield Case(f"zip of {len(content)} bytes", of_bytes(content))
    for name in (CONFIG, WEIGHTS):
        rest = {k: v for k, v in members.items() if k != name}
        yield Case(f"zip without {name}", of_bytes(packed(rest)))
        twice = io.BytesIO(packed(members))
        with zipfile.ZipFile(twice, "a") as archive:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                archive.writestr(name, members[name])
        yield Case(f"zip with two {name}", of_bytes(twice.getvalue()))
    for name in (CONFIG, WEIGHTS):
        yield Case(f"zip bomb {name}", _bomb(members, name))
    yield Case("zip of 70,000 members", _crowd(members))
    climbing = packed({**members, "../../climbed": b"x", "/tmp/climbed": b"x"})
    yield Case("zip that climbs", of_bytes(climbing), TAKEN)
    yield Case("zip packed", _later(members, zipfile.ZIP_DEFLATED), TAKEN)
    yield Case("zip behind junk", of_bytes(os.urandom(999) + sound), TAKEN)
    for name, offset, value in (
        ("encrypted", 8, struct.pack("<H", 1)),
        ("method 99", 10, struct.pack("<H", 99)),
        ("other size", 24, struct.pack("<I", 2**31)),
        ("other offset", 42, struct.pack("<I", 2**31)),
    ):
        spoiled = bytearray(sound)
        start = sound.rindex(b"PK\x01\x02")  # of the last member, the weights
        spoiled[start + offset : start + offset + len(value)] = value
        yield Case(f"zip {name}", of_bytes(bytes(spoiled)))
    spoiled = bytearray(sound)
    spoiled[len(sound) // 2] ^= 1
    yield Case("zip of another checksum", of_bytes(bytes(spoiled)))


def _bomb(members, name):
    def write(path):
        files = {**members, name: bytes(250_000_000)}
        path.write_bytes(packed(files, zipfile.ZIP_DEFLATED))

    return write


def _crowd(members):
    def write(path):
        crowd = {f"assets/{i}": b"" for i in range(70_000)}
        path.write_bytes(packed({**members, **crowd}))

    return write


def _arrays(members):
    """HDF5 files with more than arrays, or with other ones."""

    def spoiled(change):
        def write(path):
            buffer = io.BytesIO(members[WEIGHTS])
            with h5py.File(buffer, "r+") as file:
                change(file, path.parent)
            path.write_bytes(packed({**members, WEIGHTS: buffer.getvalue()}))

        return write

    def replaced(make):
        def change(file, folder):
            place, array = _first_array(file)
            shape = array.shape
            parent, name = array.parent, place.rpartition("/")[2]
            del parent[name]
            make(parent, name, shape, folder)

        return spoiled(change)

    def set_to(value, name="kernel"):
        def change(file, folder):
            place = _of_name(file, name)
            values = file[place][()]
            values.flat[values.size // 2] = value
            file[place][...] = values

        return spoiled(change)

    def external_link(parent, name, shape, folder):
        with h5py.File(folder / OUTSIDE / "other.h5", "w") as other:
            other["x"] = np.zeros(shape, "float32")
        parent[name] = h5py.ExternalLink(str(folder / OUTSIDE / "other.h5"), "x")

    def external_data(parent, name, shape, folder):
        size = 4 * math.prod(shape)
        secret = folder / OUTSIDE / "secret"
        secret.write_bytes(bytes(size))
        parent.create_dataset(name, shape, "float32", external=[(secret, 0, size)])

    def virtual(parent, name, shape, folder):
        layout = h5py.VirtualLayout(shape, "float32")
        layout[...] = h5py.VirtualSource(str(folder / OUTSIDE / "other.h5"), "x", shape)
        parent.create_virtual_dataset(name, layout)

    def declared(parent, name, shape, folder, **options):
        parent.create_dataset(name, (10**5, 10**5), "float32", **options)

    def of_type(dtype):
        return lambda parent, name, shape, folder: parent.create_dataset(
            name, shape, dtype
        )

    record = np.dtype([("a", "f4"), ("b", "f4")])
    for name, make in {
        "external link": external_link,
        "external data": external_data,
        "virtual": virtual,
        "soft link": lambda p, n, s, f: p.__setitem__(n, h5py.SoftLink("/layers")),
        "dangling link": lambda p, n, s, f: p.__setitem__(n, h5py.SoftLink("/none")),
        "link to itself": lambda p, n, s, f: p.__setitem__(n, p),
        "group": lambda p, n, s, f: p.create_group(n),
        "type": lambda p, n, s, f: p.__setitem__(n, np.dtype("f8")),
        "nothing": lambda p, n, s, f: None,
        "empty": lambda p, n, s, f: p.create_dataset(n, data=h5py.Empty("f4")),
        "40 GB": declared,
        "40 GB in pieces": lambda p, n, s, f: declared(
            p, n, s, f, chunks=(1000, 1000), compression="gzip", fillvalue=1.0
        ),
        "pieces": lambda p, n, s, f: p.create_dataset(n, s, "f4", chunks=s),
        "packed": lambda p, n, s, f: p.create_dataset(
            n, data=np.zeros(s, "f4"), chunks=s, compression="gzip"
        ),
        "complex": lambda p, n, s, f: p.create_dataset(n, data=np.zeros(s, "c8")),
        "text": of_type("S4"),
        "long text": of_type(h5py.string_dtype()),
        "references": of_type(h5py.ref_dtype),
        "record": of_type(record),
        "lists": of_type(h5py.vlen_dtype(np.float32)),
        "integers": lambda p, n, s, f: p.create_dataset(n, data=np.zeros(s, "i4")),
        "unsigned": lambda p, n, s, f: p.create_dataset(n, data=np.zeros(s, "u8")),
        "other shape": lambda p, n, s, f: p.create_dataset(n, data=np.zeros(99, "f4")),
        "scalar": lambda p, n, s, f: p.create_dataset(n, data=np.float32(1)),
    }.items():
        yield Case(f"array {name}", replaced(make))
    for value in (math.nan, math.inf, -math.inf):
        yield Case(f"array with {value}", set_to(value))
        yield Case(f"array variance {value}", set_to(value, "variance"))
    yield Case("array negative variance", set_to(-1e-3, "variance"))

    def deep(file, folder):
        group = file
        for _ in range(5000):
            group = group.create_group("a")

    def wide(file, folder):
        for i in range(21_000):
            file.create_group(f"g{i}")

    def loop(file, folder):
        file["layers/again"] = file["/"]

    def emptied(file, folder):
        for name in list(file):
            del file[name]

    for change in (deep, wide, loop, emptied):
        yield Case(f"groups {change.__name__}", spoiled(change))
    for content in (b"", b"no HDF5", members[WEIGHTS][:1000], members[WEIGHTS][:-1000]):
        files = {**members, WEIGHTS: content}
        yield Case(f"weights of {len(content)} bytes", of_bytes(packed(files)))


def _first_array(file):
    found = []
    file.visititems(lambda p, o: found.append(p) if _is_array(o) else None)
    return found[0], file[found[0]]


def _of_name(file, name):
    """An array of a batch norm's variance, or the largest of all."""
    found = []
    file.visititems(lambda p, o: found.append(p) if _is_array(o) else None)
    if name == "variance":
        return next(p for p in found if "batch_norm" in p and p.endswith("/3"))
    return max(found, key=lambda p: file[p].size)


def _is_array(item):
    return isinstance(item, h5py.Dataset)


def _flips(sound, members):
    """Single bytes of the weights' structure, wherever they are."""
    rng = np.random.default_rng(0)
    content = members[WEIGHTS]
    # The values of arrays are most of a file; structure stands at its begin and end.
    ends = np.r_[0:30_000, len(content) - 60_000 : len(content)]
    for number in range(40):
        spoiled = bytearray(content)
        for place in rng.choice(ends, 1 + number % 4):
            spoiled[place] ^= int(rng.integers(1, 256))
        files = {**members, WEIGHTS: bytes(spoiled)}
        yield Case(f"flip {number}", _later(files), EITHER)
    for number in range(20):
        spoiled = bytearray(sound)
        for place in rng.integers(len(sound) - 3000, len(sound), 2):
            spoiled[place] ^= int(rng.integers(1, 256))
        yield Case(f"flip of the zip {number}", of_bytes(bytes(spoiled)), EITHER)


def _later(members, method=zipfile.ZIP_STORED):
    return lambda path: path.write_bytes(packed(members, method))
