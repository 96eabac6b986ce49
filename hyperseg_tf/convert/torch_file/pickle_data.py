"""A pickle read as data: a fixed list of opcodes, nothing imported, nothing called.

A pickle is a program. This one interprets the few instructions that build tensors and
plain values and refuses the rest by name; what a global or a call *means* is decided in
`objects`, as a description. Every loop, stack and string is bounded, because the
file is not trusted: adding an opcode here needs an argument why it stays so.
"""

import pickle
import pickletools
import struct

from hyperseg_tf.convert.refused import DAMAGED, Refused, shorten
from hyperseg_tf.convert.torch_file.nesting import check_nesting

MAX_OPCODES = 1_000_000
MAX_STACK = 100_000
MAX_STRING = 1 << 20
MAX_INTEGER_BYTES = 16
MAX_GLOBAL = 256


class Source:
    """The next `size` bytes of a binary file, never more."""

    def __init__(self, file, size: int):
        self._file = file
        self.left = size

    def read(self, count: int) -> bytes:
        """Exactly `count` bytes; `Refused` where fewer are left."""
        if count > self.left:
            raise Refused(
                f"it is cut off, {count} bytes are needed where {self.left} are left",
                DAMAGED,
            )
        data = self._file.read(count)
        if len(data) != count:
            raise Refused("it ends in the middle of a value", DAMAGED)
        self.left -= count
        return data

    def line(self) -> str:
        """Text up to the next newline, which is consumed."""
        data = bytearray()
        while (byte := self.read(1)) != b"\n":
            data += byte
            if len(data) > MAX_GLOBAL:
                raise Refused(f"a name is longer than {MAX_GLOBAL} bytes")
        return _text(bytes(data))


def load(source: Source, objects) -> object:
    """Interpret one pickle and leave the source behind its last byte.

    Args:
        source: Where the opcodes come from.
        objects: What globals mean: `find(module, name)`, `call(function, arguments)`,
            `build(thing, state)` and `persistent(description)`.

    Returns:
        dict, list, tuple, str, bytes, int, float, bool, None, and what `objects` made.

    Raises:
        Refused: At anything else, at damage, at containers that hold themselves.
    """
    machine = _Machine(source, objects)
    result = machine.run()
    check_nesting(result)
    return result


class _Machine:
    def __init__(self, source, objects):
        self.source = source
        self.objects = objects
        self.stack = []
        self.marks = []
        self.memo = {}

    def run(self):
        for _ in range(MAX_OPCODES):
            code = self.source.read(1)
            if code == pickle.STOP:
                result = self.pop()
                if self.stack or self.marks:
                    raise Refused("values are left on the pickle's stack", DAMAGED)
                return result
            handler = _HANDLERS.get(code)
            if handler is None:
                raise Refused(f"pickle opcode {_name(code)} is not allowed")
            handler(self)
            if len(self.stack) > MAX_STACK or len(self.marks) > MAX_STACK:
                raise Refused(f"the pickle's stack is deeper than {MAX_STACK}")
        raise Refused(f"the pickle has more than {MAX_OPCODES} opcodes")

    def push(self, value):
        self.stack.append(value)

    def pop(self):
        # A mark fences what lies below it.
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise Refused("the pickle takes a value that is not there", DAMAGED)
        return self.stack.pop()

    def pop_to_mark(self):
        if not self.marks:
            raise Refused("the pickle takes a mark that is not there", DAMAGED)
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def number(self, form):
        return struct.unpack(form, self.source.read(struct.calcsize(form)))[0]

    def text(self, form):
        return _text(self.binary(form))

    def binary(self, form):
        length = self.number(form)
        if length > MAX_STRING:
            raise Refused(f"a text of {length} bytes is longer than {MAX_STRING}")
        return self.source.read(length)

    # Opcodes.

    def proto(self):
        version = self.number("<B")
        if not 2 <= version <= 5:
            raise Refused(f"pickle protocol {version} is not 2 to 5")

    def frame(self):
        length = self.number("<Q")
        if length > self.source.left:
            raise Refused(f"a frame of {length} bytes is cut off", DAMAGED)

    def mark(self):
        self.marks.append(len(self.stack))

    def integer(self):
        length = self.number("<B")
        if length > MAX_INTEGER_BYTES:
            raise Refused(f"an integer of {length} bytes is too long")
        self.push(int.from_bytes(self.source.read(length), "little", signed=True))

    def tuple_of(self, count):
        values = [self.pop() for _ in range(count)]
        self.push(tuple(reversed(values)))

    def append_all(self, values):
        target = self.pop()
        if type(target) is not list:
            raise Refused(f"a {_kind(target)} is extended as if it were a list")
        target.extend(values)
        self.push(target)

    def set_all(self, values):
        target = self.pop()
        if not isinstance(target, dict):
            raise Refused(f"a {_kind(target)} is filled as if it were a dict")
        if len(values) % 2:
            raise Refused("a dict has a key without a value", DAMAGED)
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[_checked_key(key)] = value
        self.push(target)

    def put(self, index):
        value = self.pop()
        self.push(value)
        self.memo[index] = value

    def get(self, index):
        if index not in self.memo:
            raise Refused(f"the pickle recalls value {index}, never stored", DAMAGED)
        self.push(self.memo[index])

    def stack_global(self):
        name, module = self.pop(), self.pop()
        if type(name) is not str or type(module) is not str:
            raise Refused("a global is named by something that is no text")
        self.push(self.objects.find(module, name))

    def reduce(self):
        arguments, function = self.pop(), self.pop()
        if type(arguments) is not tuple:
            raise Refused(f"REDUCE is given a {_kind(arguments)}, not a tuple")
        self.push(self.objects.call(function, arguments))

    def build(self):
        state, thing = self.pop(), self.pop()
        self.objects.build(thing, state)
        self.push(thing)


_HANDLERS = {
    pickle.PROTO: _Machine.proto,
    pickle.FRAME: _Machine.frame,
    pickle.MARK: _Machine.mark,
    pickle.NONE: lambda m: m.push(None),
    pickle.NEWTRUE: lambda m: m.push(True),
    pickle.NEWFALSE: lambda m: m.push(False),
    pickle.BININT: lambda m: m.push(m.number("<i")),
    pickle.BININT1: lambda m: m.push(m.number("<B")),
    pickle.BININT2: lambda m: m.push(m.number("<H")),
    pickle.LONG1: _Machine.integer,
    pickle.BINFLOAT: lambda m: m.push(m.number(">d")),
    pickle.BINUNICODE: lambda m: m.push(m.text("<I")),
    pickle.SHORT_BINUNICODE: lambda m: m.push(m.text("<B")),
    pickle.BINUNICODE8: lambda m: m.push(m.text("<Q")),
    pickle.BINBYTES: lambda m: m.push(m.binary("<I")),
    pickle.SHORT_BINBYTES: lambda m: m.push(m.binary("<B")),
    pickle.BINBYTES8: lambda m: m.push(m.binary("<Q")),
    # Text that Python 2 wrote.
    pickle.SHORT_BINSTRING: lambda m: m.push(m.text("<B")),
    pickle.BINSTRING: lambda m: m.push(m.text("<I")),
    pickle.EMPTY_TUPLE: lambda m: m.push(()),
    pickle.TUPLE1: lambda m: m.tuple_of(1),
    pickle.TUPLE2: lambda m: m.tuple_of(2),
    pickle.TUPLE3: lambda m: m.tuple_of(3),
    pickle.TUPLE: lambda m: m.push(tuple(m.pop_to_mark())),
    pickle.EMPTY_LIST: lambda m: m.push([]),
    pickle.APPEND: lambda m: m.append_all([m.pop()]),
    pickle.APPENDS: lambda m: m.append_all(m.pop_to_mark()),
    pickle.EMPTY_DICT: lambda m: m.push({}),
    pickle.SETITEM: lambda m: m.set_all([m.pop(), m.pop()][::-1]),
    pickle.SETITEMS: lambda m: m.set_all(m.pop_to_mark()),
    pickle.BINPUT: lambda m: m.put(m.number("<B")),
    pickle.LONG_BINPUT: lambda m: m.put(m.number("<I")),
    pickle.MEMOIZE: lambda m: m.put(len(m.memo)),
    pickle.BINGET: lambda m: m.get(m.number("<B")),
    pickle.LONG_BINGET: lambda m: m.get(m.number("<I")),
    pickle.GLOBAL: lambda m: m.push(m.objects.find(m.source.line(), m.source.line())),
    pickle.STACK_GLOBAL: _Machine.stack_global,
    pickle.REDUCE: _Machine.reduce,
    pickle.BUILD: _Machine.build,
    pickle.BINPERSID: lambda m: m.push(m.objects.persistent(m.pop())),
}


def _checked_key(key):
    # Hashing a nested tuple takes exponential time, long integers collide at will.
    if type(key) is str or (type(key) is int and -(2**63) <= key < 2**63):
        return key
    raise Refused(f"a dict has a key that is a {_kind(key)}, not a text")


def _text(data):
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise Refused("a text is not UTF-8", DAMAGED) from error


def _name(code):
    known = pickletools.code2op.get(code.decode("latin-1"))
    return known.name if known else shorten(code)


def _kind(value):
    return type(value).__name__
