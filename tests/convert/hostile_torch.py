"""Hostile files of torch, by name; a payload that runs would create the canary."""

import pickle
import struct
import zipfile

from tests.convert.torch_bytes import (
    FOUR,
    call,
    checkpoint,
    legacy,
    many,
    mapping,
    named,
    number,
    numbers,
    ordered,
    program,
    storage,
    tensor,
    text,
    zipped,
)

_RUN = [
    ("os", "system"),
    ("posix", "system"),
    ("builtins", "exec"),
    ("builtins", "eval"),
    ("builtins", "__import__"),
    ("builtins", "getattr"),
    ("subprocess", "call"),
    ("runpy", "run_path"),
    ("importlib", "import_module"),
    ("functools", "partial"),
    ("operator", "methodcaller"),
    ("pathlib", "Path"),
    ("shutil", "rmtree"),
    ("torch", "load"),
    ("torch.storage", "_load_from_bytes"),
    ("torch.hub", "load"),
    ("torch._utils", "_rebuild_tensor"),
    ("torch.nn.modules.linear", "Linear"),
    ("numpy", "load"),
    ("collections", "defaultdict"),
    ("os", "system\x20"),
    ("torch.FloatStorage", "__class__"),
]
_MARK, DICT, _LIST = pickle.MARK, pickle.EMPTY_DICT, pickle.EMPTY_LIST
SYSTEM = named("os", "system")


def _touch(canary):
    return text(f"touch {canary}")


def _keep(index):
    return pickle.BINPUT + bytes([index])


def _recall(index):
    return pickle.BINGET + bytes([index])


def _laughs(count=40):
    """Nested pairs, each twice in the next: 2**40 leaves."""
    out = pickle.EMPTY_TUPLE
    for i in range(count):
        out += _keep(i) + _recall(i) + pickle.TUPLE2
    return out


def _deep(opcode, count=5000):
    return pickle.EMPTY_TUPLE + opcode * count


def _scalar(code, data="\x00" * 8, order="<", encoding="latin1"):
    dtype = call("numpy", "dtype", text(code), pickle.NEWFALSE, pickle.NEWTRUE)
    none = pickle.NONE * 3
    rest = many(
        number(3), text(order), none, number(-1), number(-1), number(0)
    )  # the state of a numpy type
    payload = call("_codecs", "encode", text(data), text(encoding))
    return call("numpy.core.multiarray", "scalar", dtype + rest + pickle.BUILD, payload)


PICKLES = {
    # Opcodes that import, call or build.
    "inst": lambda c: program(
        _MARK + _touch(c) + b"ios\nsystem\n" + _LIST + pickle.POP
    ),
    "obj": lambda c: program(_MARK + SYSTEM + _touch(c) + pickle.OBJ),
    "newobj": lambda c: program(SYSTEM + many(_touch(c)) + pickle.NEWOBJ),
    "newobj_ex": lambda c: program(
        SYSTEM + many(_touch(c)) + DICT + pickle.NEWOBJ_EX, 4
    ),
    "newobj_allowed": lambda c: program(
        named("collections", "OrderedDict") + many() + pickle.NEWOBJ
    ),
    "stack_global": lambda c: program(
        text("os") + text("system") + pickle.STACK_GLOBAL + many(_touch(c)) + b"R", 4
    ),
    "stack_global_nested": lambda c: program(
        text("builtins") + text("eval.__self__") + pickle.STACK_GLOBAL, 4
    ),
    "stack_global_numbers": lambda c: program(
        number(1) + number(2) + pickle.STACK_GLOBAL, 4
    ),
    "ext1": lambda c: program(pickle.EXT1 + b"\x01"),
    "ext2": lambda c: program(pickle.EXT2 + b"\x01\x00"),
    "ext4": lambda c: program(pickle.EXT4 + b"\x01\x00\x00\x00"),
    "persid": lambda c: program(pickle.PERSID + b"os.system\n"),
    "build_dict": lambda c: program(DICT + mapping(__reduce__=SYSTEM) + b"b"),
    "build_ordered": lambda c: program(ordered() + mapping(__class__=text("x")) + b"b"),
    "build_function": lambda c: program(
        named("torch", "Size") + mapping(__setstate__=text("x")) + b"b"
    ),
    "call_text": lambda c: program(_touch(c) + many() + pickle.REDUCE),
    "call_without_tuple": lambda c: program(named("torch", "Size") + _LIST + b"R"),
    "text_opcodes": lambda c: program(b"I1\n"),
    "string_with_escapes": lambda c: program(b"S'\\x41'\n"),
    "bytearray": lambda c: program(b"\x96" + struct.pack("<Q", 4) + b"abcd", 5),
    "buffer": lambda c: program(b"\x97", 5),
    "set": lambda c: program(b"\x8f", 4),
    "dup": lambda c: program(_LIST + pickle.DUP + pickle.APPEND),
    "protocol": lambda c: program(DICT, 77),
    # Calls that are allowed, with arguments that are not.
    "ordered_items": lambda c: program(call("collections", "OrderedDict", _LIST)),
    "counter_of_text": lambda c: program(call("collections", "Counter", text("a"))),
    "size_of_text": lambda c: program(call("torch", "Size", text("a"))),
    "encode_long": lambda c: checkpoint(
        call("_codecs", "encode", text("x" * 1000), text("latin1"))
    ),
    "encode_zlib": lambda c: checkpoint(
        call("_codecs", "encode", text("x"), text("zlib_codec"))
    ),
    "numpy_object": lambda c: checkpoint(_scalar("O8")),
    "numpy_void": lambda c: checkpoint(_scalar("V999999999")),
    "numpy_type_is_list": lambda c: checkpoint(
        call("numpy", "dtype", _LIST, pickle.NEWFALSE, pickle.NEWTRUE)
    ),
    "numpy_short": lambda c: checkpoint(_scalar("f8", "\x00")),
    "numpy_big_endian": lambda c: checkpoint(_scalar("f8", order=">")),
    "parameter_of_text": lambda c: checkpoint(
        call(
            "torch._utils", "_rebuild_parameter", text("x"), pickle.NEWTRUE, ordered()
        )
    ),
    "hooks": lambda c: checkpoint(tensor(hooks=mapping(hook=_touch(c)))),
    "metadata_flags": lambda c: checkpoint(
        tensor()[:-2] + mapping(neg=pickle.NEWTRUE) + pickle.TUPLE + pickle.REDUCE
    ),
    # Containers.
    "list_in_itself": lambda c: program(_LIST + _keep(0) + _recall(0) + pickle.APPEND),
    "dict_in_itself": lambda c: program(
        DICT + _keep(0) + text("a") + _recall(0) + pickle.SETITEM
    ),
    "loop_of_three": lambda c: program(
        _LIST + _keep(0) + DICT + text("a") + _recall(0) + b"\x85s" + pickle.APPEND
    ),
    "nested_tuples": lambda c: program(_deep(pickle.TUPLE1)),
    "nested_lists": lambda c: program(_LIST * 5000 + pickle.APPEND * 4999),
    "nested_shared": lambda c: program(
        _LIST + _MARK + _deep(b"\x85", 40) + _keep(0) + _recall(0) + b"\x85" * 40 + b"e"
    ),
    "laughs": lambda c: checkpoint(_laughs()),
    "laughing_key": lambda c: checkpoint(DICT + _laughs() + pickle.NONE + b"s"),
    "key_is_float": lambda c: program(DICT + b"G" + bytes(8) + pickle.NONE + b"s"),
    "key_is_long": lambda c: program(DICT + number(2**90) + pickle.NONE + b"s"),
    "key_without_value": lambda c: program(DICT + _MARK + text("a") + pickle.SETITEMS),
    "append_to_dict": lambda c: program(DICT + _LIST + pickle.APPEND),
    "set_in_list": lambda c: program(_LIST + text("a") + text("b") + pickle.SETITEM),
    # The machine itself.
    "underflow": lambda c: program(pickle.TUPLE2),
    "below_the_mark": lambda c: program(_LIST + _MARK + pickle.APPEND),
    "no_mark": lambda c: program(pickle.TUPLE),
    "no_memo": lambda c: program(_recall(9)),
    "left_over": lambda c: program(_LIST + _LIST),
    "nothing": lambda c: program(b""),
    "no_stop": lambda c: program(DICT)[:-1],
    "marks": lambda c: program(_MARK * 200_000),
    "stack": lambda c: program(pickle.NONE * 200_000),
    "opcodes": lambda c: program(_LIST + (pickle.NONE + pickle.APPEND) * 600_000),
    "long_text": lambda c: program(pickle.BINUNICODE + b"\xff\xff\xff\xff"),
    "long_bytes": lambda c: program(pickle.BINBYTES8 + b"\xff" * 8, 4),
    "long_integer": lambda c: program(pickle.LONG1 + b"\xff" + bytes(255)),
    "longer_integer": lambda c: program(pickle.LONG4 + b"\xff\xff\xff\x7f"),
    "long_frame": lambda c: program(pickle.FRAME + b"\xff" * 8, 4),
    "long_name": lambda c: program(b"c" + b"a" * 9999),
    "no_utf8": lambda c: program(pickle.SHORT_BINSTRING + b"\x01\xff"),
    # Tensors and storages.
    "elements": lambda c: checkpoint(
        tensor((2**40,), (1,), made_of=storage("0", 2**40))
    ),
    "elements_overflow": lambda c: checkpoint(
        tensor((2**31, 2**31, 4), (2**33, 4, 1), made_of=storage("0", 2**62))
    ),
    "elements_negative": lambda c: checkpoint(tensor(made_of=storage("0", -4))),
    "larger_than_storage": lambda c: checkpoint(tensor((5,))),
    "expanded": lambda c: checkpoint(tensor((2**40,), (0,))),
    "expanded_twice": lambda c: checkpoint(tensor((2**40, 2**40), (0, 0))),
    "beyond_by_offset": lambda c: checkpoint(tensor(offset=1)),
    "beyond_by_stride": lambda c: checkpoint(tensor((2, 2), (3, 1))),
    "offset_negative": lambda c: checkpoint(tensor(offset=-1)),
    "stride_negative": lambda c: checkpoint(tensor((2,), (-1,), 3)),
    "stride_overflow": lambda c: checkpoint(tensor((2, 2), (2**63 - 1, 1))),
    "side_negative": lambda c: checkpoint(tensor((-4, -1), (1, 1))),
    "side_is_true": lambda c: checkpoint(
        tensor().replace(numbers(4), many(pickle.NEWTRUE))
    ),
    "sides_without_strides": lambda c: checkpoint(tensor((2, 2), (1,))),
    "thousand_sides": lambda c: checkpoint(tensor((1,) * 1000, (1,) * 1000)),
    "shape_is_a_list": lambda c: checkpoint(tensor().replace(numbers(4), _LIST, 1)),
    "side_laughs": lambda c: checkpoint(
        tensor().replace(numbers(4), many(_laughs()), 1)
    ),
    "made_of_text": lambda c: checkpoint(tensor(made_of=text("0"))),
    "complex": lambda c: checkpoint(
        tensor(made_of=storage(kind="ComplexFloatStorage"))
    ),
    "storage_of_module": lambda c: checkpoint(tensor(made_of=storage(word="module"))),
    "storage_two_ways": lambda c: program(
        mapping(state_dict=mapping(x=tensor(), y=tensor(made_of=storage("0", 3))))
    ),
    "persistent_text": lambda c: program(text("os.system") + pickle.BINPERSID),
    "tensors_alone": lambda c: program(tensor()),
    "no_tensor_in_state": lambda c: checkpoint(text("x")),
    "names_collide": lambda c: program(
        mapping(state_dict=mapping(**{"module.x": tensor(), "x": tensor()}))
    ),
    "number_for_a_name": lambda c: program(
        mapping(state_dict=DICT + number(1) + tensor() + pickle.SETITEM)
    ),
    "empty_state": lambda c: program(mapping(state_dict=DICT)),
    "arch_is_a_list": lambda c: program(
        mapping(state_dict=mapping(x=tensor()), arch=_laughs())
    ),
    "arch_calls": lambda c: program(
        mapping(
            state_dict=mapping(x=tensor()),
            arch=text(f"__import__('os').system('touch {c}')"),
        )
    ),
    "arch_calls_inside": lambda c: program(
        mapping(
            state_dict=mapping(x=tensor()),
            arch=text(
                "hyperseg.models.hyperseg_v1_0.hyperseg_efficientnet("
                f"'efficientnet-b1',levels=__import__('os').system('touch {c}'))"
            ),
        )
    ),
}  # fmt: skip
PICKLES |= {
    f"call {module}.{name}": lambda c, module=module, name=name: program(
        call(module, name, _touch(c))
    )
    for module, name in _RUN
}


def _flag(data, bit):
    """Set a flag of the last member in both of its headers."""
    out = bytearray(data)
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        out[out.rindex(signature) + place] |= bit
    return bytes(out)


def edit(data, signature, place, form, value):
    """Overwrite a field behind the last such signature."""
    out = bytearray(data)
    start = out.rindex(signature) + place
    struct.pack_into(form, out, start, value)
    return bytes(out)


_GOOD = checkpoint(tensor())
ZIP = zipped(_GOOD)
LEGACY = legacy(_GOOD)
FILES = {
    "empty": lambda: b"",
    "text": lambda: b"<!DOCTYPE html>\n<title>Quota exceeded</title>\n",
    "tar": lambda: b"storages/\0" + bytes(502),
    "plain_pickle": lambda: pickle.dumps({"state_dict": {"x": 1}}),
    "zip_cut_in_half": lambda: ZIP[: len(ZIP) // 2],
    "zip_without_its_end": lambda: ZIP[:-22],
    "zip_short_of_a_byte": lambda: ZIP[:-1],
    "zip_only_begins": lambda: b"PK\x03\x04",
    "zip_with_more_behind": lambda: ZIP + b"more",
    "zip_with_less_before": lambda: b"PK\x03\x04" + ZIP,
    "zip_member_twice": lambda: zipped(_GOOD, members=[("archive/data/0", FOUR)]),
    "zip_absolute": lambda: zipped(_GOOD, members=[("/etc/passwd", b"")]),
    "zip_leads_out": lambda: zipped(_GOOD, members=[("archive/../../x", b"")]),
    "zip_backslashes": lambda: zipped(_GOOD, members=[("archive\\x", b"")]),
    "zip_drive": lambda: zipped(_GOOD, members=[("C:archive", b"")]),
    "zip_newline": lambda: zipped(_GOOD, members=[("archive/a\nb", b"")]),
    "zip_two_roots": lambda: zipped(_GOOD, members=[("other/data.pkl", _GOOD)]),
    "zip_without_pickle": lambda: zipped(None),
    "zip_torchscript": lambda: zipped(_GOOD, members=[("archive/constants.pkl", b"")]),
    "zip_big_endian": lambda: zipped(_GOOD, members=[("archive/byteorder", b"big")]),
    "zip_bomb": lambda: zipped(
        _GOOD, {"0": bytes(1 << 22)}, compression=zipfile.ZIP_DEFLATED
    ),
    "zip_two_sizes": lambda: edit(ZIP, b"PK\x01\x02", 24, "<L", 2**31),
    "zip_larger_than_file": lambda: edit(
        edit(ZIP, b"PK\x01\x02", 24, "<L", 2**31), b"PK\x01\x02", 20, "<L", 2**31
    ),
    "zip_encrypted": lambda: _flag(ZIP, 1),
    "zip_checksum_of_pickle": lambda: ZIP.replace(b"state_dict", b"state_duct", 1),
    "zip_wrong_place": lambda: edit(ZIP, b"PK\x01\x02", 42, "<L", 3),
    "zip_place_outside": lambda: edit(ZIP, b"PK\x01\x02", 42, "<L", 2**31),
    "zip_overlap": lambda: edit(ZIP, b"PK\x03\x04", 28, "<H", 60_000),
    "zip_other_name_inside": lambda: edit(ZIP, b"PK\x03\x04", 30, "<c", b"X"),
    "zip_huge_directory": lambda: edit(ZIP, b"PK\x05\x06", 12, "<L", 2**32 - 2),
    "zip_wide_directory": lambda: zipped(
        _GOOD, members=[(f"archive/{i:0200}", b"") for i in range(20_000)]
    ),
    "zip_comment": lambda: edit(ZIP, b"PK\x05\x06", 20, "<H", 5) + b"hello",
    "zip_pickle_goes_on": lambda: zipped(_GOOD + _GOOD),
    "zip_storage_missing": lambda: zipped(_GOOD, {"1": FOUR}),
    "zip_storage_short": lambda: zipped(_GOOD, {"0": FOUR[:-4]}),
    "zip_storage_long": lambda: zipped(_GOOD, {"0": FOUR * 2}),
    "zip_storage_elsewhere": lambda: zipped(
        checkpoint(tensor(made_of=storage("../data.pkl")))
    ),
    "legacy_magic": lambda: legacy(_GOOD, magic=1),
    "legacy_protocol": lambda: legacy(_GOOD, protocol=1002),
    "legacy_big_endian": lambda: legacy(_GOOD, little_endian=False),
    "legacy_size": lambda: legacy(_GOOD, [("0", 5, FOUR)]),
    "legacy_size_negative": lambda: legacy(_GOOD, [("0", -1, FOUR)]),
    "legacy_size_huge": lambda: legacy(
        checkpoint(tensor(made_of=storage("0", 2**40))), [("0", 2**40, FOUR)]
    ),
    "legacy_keys": lambda: legacy(_GOOD, keys=["1"]),
    "legacy_keys_twice": lambda: legacy(_GOOD, keys=["0", "0"]),
    "legacy_keys_are_text": lambda: legacy(_GOOD, keys="0"),
    "legacy_cut_in_storage": lambda: LEGACY[:-1],
    "legacy_cut_before_storage": lambda: LEGACY[:-20],
    "legacy_cut_in_pickle": lambda: LEGACY[:200],
}
HOSTILE = {
    **{f"zip {k}": lambda c, f=f: zipped(f(c)) for k, f in PICKLES.items()},
    **{f"legacy {k}": lambda c, f=f: legacy(f(c)) for k, f in PICKLES.items()},
    **{k: lambda c, f=f: f() for k, f in FILES.items()},
}
