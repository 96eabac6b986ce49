"""Hostile picture files: bombs, foreign formats, broken bytes, no files at all.

All are small; what they claim is not.
"""

import io
import os
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests.hostile.case import EITHER, TAKEN, Case, not_files, of_bytes


def cases() -> Iterator[Case]:
    """Hostile pictures; the names begin with the suffix that they come under."""
    yield from _sound()
    yield from _bombs()
    yield from _other_formats()
    yield from _broken()
    yield from _odd()
    for case in not_files():
        yield Case(f"png {case.name}", case.write)


def image(size=(40, 36), mode="RGB"):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(pixels).convert(mode)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    """The bytes of a picture in a format of PIL's."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _sound():
    yield Case("png sound", of_bytes(encoded(image(), "PNG")), TAKEN)
    yield Case("jpg sound", of_bytes(encoded(image(), "JPEG")), TAKEN)


def png(width, height, depth, colour_type, data, *chunks) -> bytes:
    """A PNG of any claim around compressed data."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def chunk(kind, content):
    crc = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def _zeros(count):
    """That many zeros, deflated, without ever being held."""
    packer, parts = zlib.compressobj(9), []
    while count:
        piece = min(count, 2**24)
        parts.append(packer.compress(bytes(piece)))
        count -= piece
    return b"".join([*parts, packer.flush()])


def _bombs():
    for width, height in ((20_000, 20_000), (12_000_000, 1), (1, 12_000_000)):
        data = _zeros(height * (1 + (width + 7) // 8))
        name = f"png {width}x{height}"
        yield Case(name, of_bytes(png(width, height, 1, 0, data)))
    for width, height in ((2**31 - 1, 2**31 - 1), (0, 5), (5, 0), (2**31 - 1, 1)):
        data = zlib.compress(bytes(1000))
        yield Case(
            f"png claims {width}x{height}", of_bytes(png(width, height, 8, 2, data))
        )
    text = (b"zTXt", b"a\0\0" + _zeros(200_000_000))
    profile = (b"iCCP", b"a\0\0" + _zeros(200_000_000))
    rows = zlib.compress(b"".join(b"\0" + bytes(120) for _ in range(36)))
    for name, chunk in (("text", text), ("profile", profile)):
        content = png(40, 36, 8, 2, rows, chunk)
        yield Case(f"png bomb of {name}", of_bytes(content), EITHER)
    flood = [(b"tEXt", b"a\0" + bytes([65 + i % 26])) for i in range(50_000)]
    yield Case("png 50,000 texts", of_bytes(png(40, 36, 8, 2, rows, *flood)), EITHER)
    jpeg = bytearray(encoded(image(), "JPEG"))
    frame = jpeg.index(b"\xff\xc0") + 5
    for height, width in ((65_500, 65_500), (65_535, 1), (1, 65_535), (0, 40)):
        spoiled = bytearray(jpeg)
        spoiled[frame : frame + 4] = struct.pack(">HH", height, width)
        yield Case(f"jpg claims {width}x{height}", of_bytes(bytes(spoiled)))
    flat = Image.new("RGB", (3_600, 3_600))
    for name, options in (("plain", {}), ("progressive", {"progressive": True})):
        content = encoded(flat, "JPEG", quality=1, **options)
        # More than the network sees at once: through windows.
        yield Case(f"jpg 3600x3600 {name}", of_bytes(content), TAKEN)
    bmp = bytearray(encoded(image(), "BMP"))
    for name, size in (("2000000x2000000", (2_000_000,) * 2), ("0x0", (0, 0))):
        spoiled = bytearray(bmp)
        spoiled[18:26] = struct.pack("<ii", *size)
        yield Case(f"bmp claims {name}", of_bytes(bytes(spoiled)))
    tiff = encoded(image(), "TIFF")
    for size in ((200_000, 200_000), (2**31 - 1, 3)):
        yield Case(f"tif claims {size[0]}x{size[1]}", of_bytes(_tiff_of(tiff, *size)))
    yield Case("webp 16383x16383", _large_webp)


def _large_webp(path):
    # Lossless webp of one colour: 16383 is the largest side that the format has.
    content = bytearray(encoded(Image.new("RGB", (16, 16)), "WEBP", lossless=True))
    start = content.index(b"VP8L") + 8
    size = (16_382 | 16_382 << 14).to_bytes(4, "little")
    content[start + 1 : start + 5] = size
    path.write_bytes(bytes(content))


def _tiff_of(content, width, height):
    """Another width and length in the first directory of a little-endian TIFF."""
    spoiled = bytearray(content)
    (start,) = struct.unpack_from("<I", spoiled, 4)
    (count,) = struct.unpack_from("<H", spoiled, start)
    for i in range(count):
        place = start + 2 + 12 * i
        (tag,) = struct.unpack_from("<H", spoiled, place)
        if tag in (256, 257):
            value = width if tag == 256 else height
            struct.pack_into("<HII", spoiled, place + 2, 4, 1, value)
    return bytes(spoiled)


def _other_formats():
    """Formats that PIL would open and we do not name, under suffixes that we do."""
    for kind in ("GIF", "ICO", "PCX", "PPM", "TGA", "SGI", "IM", "SPIDER", "XBM"):
        mode = {"XBM": "1", "SPIDER": "F"}.get(kind, "RGB")
        yield Case(f"png holds {kind}", of_bytes(encoded(image(mode=mode), kind)))
    for kind in ("ICNS", "DDS", "JPEG2000", "PDF", "EPS"):
        try:
            content = encoded(image(), kind)
        except (OSError, KeyError):  # a build of PIL without it
            continue
        yield Case(f"jpg holds {kind}", of_bytes(content))
    postscript = (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 36\n%%EndComments\n"
        b"(outside/touched) (w) file closefile\nshowpage\n%%EOF\n"
    )
    fits = b"SIMPLE  =                    T" + b" " * 50
    fits += b"BITPIX  =                    8".ljust(80)
    fits += b"NAXIS   =                    0".ljust(80) + b"END".ljust(80)
    for name, content in {
        "PostScript": postscript,
        "FITS": fits.ljust(2880),
        "PSD": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 30_000, 30_000, 8, 3),
        "WMF": b"\xd7\xcd\xc6\x9a" + bytes(100),
        "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='/etc/passwd'/>",
        "HTML": b"<html><img src='http://localhost/x'></html>",
        "MPEG": b"\0\0\1\xb3" + bytes(500),
        "text": b"hello\n" * 100,
        "zip": b"PK\3\4" + bytes(100),
        "nothing": b"",
        "one byte": b"\x89",
        "noise": os.urandom(5000),
    }.items():
        for suffix in ("png", "jpg"):
            yield Case(f"{suffix} holds {name}", of_bytes(content))


def _broken():
    sources = {
        "png": encoded(image(), "PNG"),
        "jpg": encoded(image(), "JPEG"),
        "tif": encoded(image(), "TIFF", compression="tiff_lzw"),
        "webp": encoded(image(), "WEBP"),
    }
    for suffix, content in sources.items():
        for length in (10, len(content) // 2, len(content) - 20):
            yield Case(f"{suffix} cut to {length}", of_bytes(content[:length]), EITHER)
        rng = np.random.default_rng(0)
        for number in range(5):
            spoiled = bytearray(content)
            for place in rng.integers(0, len(content), 6):
                spoiled[place] ^= int(rng.integers(1, 256))
            yield Case(f"{suffix} flip {number}", of_bytes(bytes(spoiled)), EITHER)
    long_chunk = bytearray(sources["png"])
    long_chunk[33:37] = struct.pack(">I", 2**31 - 1)
    yield Case("png of a 2 GiB chunk", of_bytes(bytes(long_chunk)), EITHER)
    rows = zlib.compress(b"\0" * 121)
    yield Case("png of one row", of_bytes(png(40, 36, 8, 2, rows)), EITHER)
    yield Case("png of depth 3", of_bytes(png(40, 36, 3, 2, rows)))
    yield Case("png of colour type 9", of_bytes(png(40, 36, 8, 9, rows)))
    loop = bytearray(encoded(image(), "TIFF"))
    (start,) = struct.unpack_from("<I", loop, 4)
    (count,) = struct.unpack_from("<H", loop, start)
    struct.pack_into("<I", loop, start + 2 + 12 * count, start)
    yield Case("tif whose pages loop", of_bytes(bytes(loop)), EITHER)


def _strange_exif():
    """EXIF that lies about itself, from its byte order on."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    head = b"II*\0\10\0\0\0"
    yield "junk", os.urandom(200)
    yield "of nothing", b""
    yield "without a directory", head
    yield "that counts to 65,535", head + b"\xff\xff" + entry
    yield "cut in its entry", head + b"\1\0" + entry[:7]
    yield "that starts at itself", b"II*\0" + bytes(4) + b"\1\0" + entry
    yield "that starts behind itself", b"MM\0*" + b"\xff" * 4 + b"\0\1" + entry
    yield "whose directories loop", head + b"\1\0" + entry + head[4:]
    yield "of 5,000 entries", head + b"\x88\x13" + 5_000 * entry
    for kind, count in ((3, 2**32 - 1), (12, 2**31), (5, 1), (255, 1), (0, 0)):
        strange = struct.pack("<HHII", 0x0112, kind, count, 2**32 - 1)
        yield f"of kind {kind} {count} times", head + b"\1\0" + strange + bytes(4)


def _odd():
    """Sound ones that a careless reader gets wrong."""
    yield Case("jpg CMYK", of_bytes(encoded(image(mode="CMYK"), "JPEG")), EITHER)
    yield Case("png alpha", of_bytes(encoded(image(mode="RGBA"), "PNG")), EITHER)
    yield Case("png palette", of_bytes(encoded(image(mode="P"), "PNG")), EITHER)
    grey = Image.fromarray(np.full((36, 40), 40_000, np.uint16))
    yield Case("png 16 bits", of_bytes(encoded(grey, "PNG")), EITHER)
    wide = encoded(image(mode="F"), "TIFF")
    yield Case("tif of floats", of_bytes(wide), EITHER)
    exif = Image.Exif()
    exif[0x0112] = 77
    yield Case(
        "jpg orientation 77", of_bytes(encoded(image(), "JPEG", exif=exif)), EITHER
    )
    for name, facts in _strange_exif():
        for suffix, kind in (("jpg", "JPEG"), ("png", "PNG")):
            content = encoded(image(), kind, exif=b"Exif\0\0" + facts)
            yield Case(f"{suffix} EXIF {name}", of_bytes(content), EITHER)
    frames = [image(), image()]
    animated = encoded(
        frames[0], "PNG", save_all=True, append_images=frames[1:], duration=9
    )
    yield Case("png animated", of_bytes(animated), EITHER)
    moving = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    yield Case("webp animated", of_bytes(moving), EITHER)
    yield Case("png 1x1", of_bytes(encoded(image((1, 1)), "PNG")), EITHER)
