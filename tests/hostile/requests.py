"""Hostile requests to an exported SavedModel, as its signatures can be called."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tests.hostile import pictures
from tests.hostile.case import EITHER, REFUSED


@dataclass(frozen=True)
class Request:
    """A call of a signature.

    Attributes:
        name: Unique.
        signature: Which.
        value: Its one argument; bytes for `serve_bytes` and `serve_png`.
        outcome: As of a `Case`.
    """

    name: str
    signature: str
    value: np.ndarray
    outcome: str = REFUSED


def _long_searches(signature) -> Iterator[Request]:
    """Pictures whose EXIF would lie behind 900 segments, or behind far more."""
    jpeg = pictures.encoded(pictures.image(), "JPEG")
    png = pictures.encoded(pictures.image(), "PNG")
    for count, outcome in ((900, EITHER), (100_000, REFUSED)):
        jpegs = [jpeg[:2] + count * b"\xff\xfe\0\2" + jpeg[2:]] * 10
        pngs = [png[:33] + count * pictures.chunk(b"teSt", b"") + png[33:]] * 10
        junk = [jpeg[:2] + bytes(count) + jpeg[2:]] * 10
        for name, files in (("segments", jpegs), ("chunks", pngs), ("junk", junk)):
            value = np.array(files, object)
            yield Request(f"{signature} {count} {name}", signature, value, outcome)


def requests(folder) -> Iterator[Request]:
    """All of them.

    Args:
        folder: To write the pictures to, which are then sent as bytes.
    """
    good = pictures.encoded(pictures.image(), "PNG")
    for case in pictures.cases():
        path = folder / "request"
        case.write(path)
        if path.is_symlink() or not path.is_file():
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
            continue
        content = path.read_bytes()
        path.unlink()
        # A server takes two formats; what is sound in another one is refused here.
        outcome = EITHER if case.outcome != REFUSED else REFUSED
        one, beside = (np.array(x, object) for x in ([content], [good, content, good]))
        yield Request(f"bytes {case.name}", "serve_bytes", one, outcome)
        yield Request(f"bytes beside {case.name}", "serve_bytes", beside, outcome)
        yield Request(f"png beside {case.name}", "serve_png", beside, outcome)
    for signature in ("serve_bytes", "serve_png"):
        yield Request(f"{signature} of none", signature, np.array([], object), EITHER)
        many = np.array([good] * 20_000, object)
        yield Request(f"{signature} of 20,000", signature, many)
        yield from _long_searches(signature)
    for signature, dtype in (("serve_uint8", "uint8"), ("serving_default", "float32")):
        for shape in (
            *((1, 40, 36, 1), (1, 40, 36, 4), (40, 36, 3), (1, 40, 36), (3,), ()),
            *((1, 0, 36, 3), (1, 40, 0, 3), (0, 40, 36, 3), (1, 1, 1, 3)),
            *((1, 12_000_000, 1, 3), (1, 1, 12_000_000, 3), (1, 5000, 5000, 3)),
            (4000, 64, 64, 3),
        ):
            value = np.zeros(shape, dtype)
            small = value.size < 1000 and value.size != 0
            outcome = EITHER if 0 in shape or small else REFUSED
            yield Request(f"{signature} {shape}", signature, value, outcome)
        for other in ("float64", "int32", "complex64", "bool"):
            value = np.zeros((1, 40, 36, 3), other)
            yield Request(f"{signature} {other}", signature, value)
    for number in (np.nan, np.inf, -np.inf, 1e38, -1e38):
        value = np.full((1, 40, 36, 3), number, "float32")
        yield Request(f"{number}", "serving_default", value, EITHER)
