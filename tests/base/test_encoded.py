import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from hyperseg_tf.base import encoded as encoded_pictures
from hyperseg_tf.base import orientation
from hyperseg_tf.base.encoded import size_of
from hyperseg_tf.base.picture_file import BadPicture, open_header
from hyperseg_tf.inference.pictures import read_picture
from tests.base.exif import entry, exif, jpeg_with, png_with
from tests.hostile import pictures
from tests.hostile.entries import png


def saved(kind, height, width, **options):
    file = BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def size(contents):
    return size_of(tf.constant(contents)).numpy().tolist()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 2}])
def test_the_size_is_what_decoding_gives(options):
    jpeg = saved("JPEG", 300, 17, **options)
    # A smaller picture within the metadata, as cameras put there, and many segments.
    thumbnail = b"Exif\0\0" + saved("JPEG", 5, 7)
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    jpeg = jpeg[:2] + 99 * segment + b"\xff\xff\xff" + jpeg[2:]
    assert size(jpeg) == [300, 17]
    assert tf.io.decode_jpeg(jpeg, channels=3).shape == (300, 17, 3)
    assert size(saved("PNG", 1, 65_536)) == [1, 65_536]


def test_every_size_that_fits_a_header_is_told_without_decoding():
    assert size(png(2**32 - 1, 2**31)) == [2**32 - 1, 2**31]
    jpeg = bytearray(saved("JPEG", 9, 9))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 65_000, 64_999)
    assert size(bytes(jpeg)) == [65_000, 64_999]


def test_anything_else_has_no_size():
    others = [saved(kind, 9, 9) for kind in ("GIF", "BMP", "WEBP", "TIFF")]
    for contents in (*others, b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", png(9, 9)[:15]):
        assert size(contents) == [-1, -1]
    with pytest.raises(tf.errors.InvalidArgumentError):
        size(saved("JPEG", 9, 9)[:40])


@pytest.fixture(scope="module")
def graph():
    """Orientations of pictures, from a graph as exports have it."""

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
    def orientations(encoded):
        spec = tf.TensorSpec((), tf.int32)
        return tf.map_fn(encoded_pictures.orientation_of, encoded, spec)

    return lambda *contents: orientations(tf.constant(contents)).numpy().tolist()


def in_file(contents):
    return orientation.orientation_of(open_header(BytesIO(contents)))


def test_a_graph_finds_the_orientation_that_a_file_has(graph):
    numbers = (*range(10), 2**16 - 1)
    short = [exif(o, entry(o, 0x0112, 3, 1, n)) for o in "<>" for n in numbers]
    long = [
        exif(o, entry(o, 0x0112, 4, 1, n)) for o in "<>" for n in (*numbers, 2**32 - 1)
    ]
    six = exif("<", entry("<", 0x010F, 2, 1, 0), entry("<", 0x0112, 3, 1, 6))
    odd = [six[:length] for length in range(len(six))]
    odd += [exif("<", start=start) for start in (0, 7, 2**31, 2**32 - 1)]
    odd += [six + exif(">"), b"Exif\0\0" + six, exif(">", count=65_535)]
    odd += [
        exif("<", *5_000 * [entry("<", 0x0112, 7, 1, 3)], entry("<", 0x0112, 3, 1, 8))
    ]
    whole = [
        make(facts) for make in (jpeg_with, png_with) for facts in short + long + odd
    ]
    whole += [
        jpeg_with(),
        png_with(),
        jpeg_with(six, short[3]),
        png_with(six, short[3]),
    ]
    whole += [png_with(behind=six), png_with(short[3], behind=six)]
    expected = [in_file(contents) for contents in whole]
    assert set(expected) == set(range(1, 9))
    assert graph(*whole) == expected


def test_a_graph_reads_spoiled_files_as_pillow_does(graph):
    """Or Pillow refuses them."""
    rng = np.random.default_rng(0)
    facts = exif(">", entry(">", 0x010F, 2, 1, 0), entry(">", 0x0112, 3, 1, 6))
    compared = []
    for contents in (jpeg_with(facts), jpeg_with(b"", facts), png_with(behind=facts)):
        for _ in range(300):
            spoiled = bytearray(contents)
            for at in rng.integers(2, 90, 2):
                spoiled[at] = rng.choice([0, 1, 0xC0, 0xD9, 0xE1, 0xFF, spoiled[at]])
            try:
                compared.append((bytes(spoiled), in_file(bytes(spoiled))))
            except (BadPicture, OSError, SyntaxError):
                continue
    spoiled, expected = zip(*compared, strict=True)
    assert expected.count(6) > 50 and expected.count(1) > 50
    assert graph(*spoiled) == list(expected)


def test_a_search_for_exif_ends(graph):
    segment, chunk = b"\xff\xfe\0\2", pictures.chunk(b"teSt", b"")
    jpeg, png_, facts = jpeg_with(), png_with(), exif("<", entry("<", 0x0112, 3, 1, 6))
    for number, expected in ((900, 6), (1_000, 0)):
        behind = jpeg_with(facts)
        assert graph(jpeg[:2] + number * segment + behind[2:]) == [expected]
    for number, expected in ((9_990, 1), (10_000, 0)):
        assert graph(png_[:33] + number * chunk + png_[33:]) == [expected]
    # Lengths of nothing, of everything and of more; no end; no picture.
    endless = (b"\xff\xd8" + 99 * b"\xff\xe1\0\0", png_[:33] + 9 * b"\0\0\0\0eXIf")
    huge = (jpeg[:2] + b"\xff\xe1\xff\xffExif\0\0", png_[:33] + b"\xff\xff\xff\xffeXIf")
    short = (b"", b"\x89", b"\xff", b"\xff\xd8", b"\xff\xd8\xff", jpeg[:20], png_[:40])
    assert graph(*endless, *huge, *short) == 11 * [1]
    assert graph(b"\xff\xd8" + bytes(5_000)) == [0]


@pytest.mark.parametrize("number", range(1, 9))
def test_a_graph_turns_as_files_are_turned(number):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    facts = exif("<", entry("<", 0x0112, 3, 1, number))
    path = BytesIO(png_with(facts, size=(5, 7)))
    expected = np.asarray(orientation.upright(open_header(path)))
    image = encoded_pictures.decode_rgb(tf.constant(path.getvalue()))
    found = encoded_pictures.turned(image, tf.constant(number))
    np.testing.assert_array_equal(found, expected)
    sizes = encoded_pictures.turned_sizes(tf.constant([[5, 7]]), tf.constant([number]))
    assert sizes.numpy().tolist() == [list(expected.shape[:2])]


@pytest.mark.parametrize(
    "options",
    [
        *(
            {"quality": quality, "subsampling": s}
            for quality in (30, 95)
            for s in "012"
        ),
        {"progressive": True},
        {"mode": "L"},
        {"mode": "CMYK"},
    ],
    ids=str,
)
def test_jpegs_have_the_pixels_that_predict_sees(options, tmp_path):
    options = dict(options)
    mode = options.pop("mode", "RGB")
    if "subsampling" in options:
        options["subsampling"] = int(options["subsampling"])
    image = pictures.image((67, 45), mode)
    image.save(tmp_path / "a.jpg", **options)
    found = encoded_pictures.decode_rgb(tf.io.read_file(str(tmp_path / "a.jpg")))
    np.testing.assert_array_equal(found, read_picture(tmp_path / "a.jpg"))


def _pngs():
    image, alpha = pictures.image((13, 9)), pictures.image((13, 9)).convert("L")
    image.putalpha(alpha)
    deep = np.arange(9 * 13 * 4, dtype=np.uint16).reshape(9, 13, 4) * 139
    for mode in ("RGBA", "RGB", "LA", "L", "1", "P"):
        yield mode, pictures.encoded(image.convert(mode), "PNG")
    palette = image.convert("RGB").quantize(9)
    yield "clear palette", pictures.encoded(palette, "PNG", transparency=3)
    yield "clear grey", pictures.encoded(image.convert("L"), "PNG", transparency=7)
    yield (
        "clear colour",
        pictures.encoded(image.convert("RGB"), "PNG", transparency=(1, 2, 3)),
    )
    for name, kind, channels in (
        ("grey", 0, 1),
        ("colour", 2, 3),
        ("LA", 4, 2),
        ("RGBA", 6, 4),
    ):
        rows = deep[..., :channels].astype(">u2")
        data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
        yield f"16 bits {name}", pictures.png(13, 9, 16, kind, data)


@pytest.mark.parametrize(("name", "contents"), list(_pngs()), ids=lambda x: str(x)[:12])
def test_pngs_of_any_depth_have_the_pixels_that_predict_sees(name, contents, tmp_path):
    (tmp_path / "a.png").write_bytes(contents)
    found = encoded_pictures.decode_rgb(tf.constant(contents))
    np.testing.assert_array_equal(found, read_picture(tmp_path / "a.png"))
    assert bool(encoded_pictures.is_deep(tf.constant(contents))) == ("16" in name)
