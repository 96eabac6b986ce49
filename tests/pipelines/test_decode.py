import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.pipelines import load_sample, open_dataset
from hyperseg_tf.pipelines.decode import decode_values
from tests.pipelines.folders import VALUES, label


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("with_palette", [True, False])
def test_masks_of_any_depth_and_palette_keep_their_values(tmp_path, bits, with_palette):
    """The decoder would expand a palette to its colours and stretch small depths."""
    rng = np.random.default_rng(bits)
    values = rng.integers(0, 2**bits, (13, 7)).astype(np.uint8)
    path = tmp_path / "x.png"
    if with_palette:
        label(path, values, rng.integers(0, 256, 768).tolist(), bits)
    elif bits == 8:
        label(path, values)
    else:
        path.write_bytes(grey_png(values, bits))
    assert path.read_bytes()[24:26] == bytes([bits, 3 if with_palette else 0])
    read = decode_values(path.read_bytes(), "index").numpy()
    np.testing.assert_array_equal(read, values)


def grey_png(values, bits):
    """A grey PNG of 1, 2 or 4 bits, written by hand: Pillow writes only 1 and 8."""
    import struct
    import zlib

    def chunk(kind, body):
        crc = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + crc

    height, width = values.shape
    bit_rows = (values[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    packed = np.packbits(bit_rows.reshape(height, -1).astype(np.uint8), axis=1)
    rows = b"".join(b"\0" + row.tobytes() for row in packed)
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def test_palette_masks_with_transparency_keep_their_values(tmp_path):
    picture = Image.frombytes("P", (7, 5), VALUES.astype(np.uint8).tobytes())
    picture.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
    picture.save(tmp_path / "x.png", transparency=1)
    read = decode_values((tmp_path / "x.png").read_bytes(), "index").numpy()
    np.testing.assert_array_equal(read, VALUES)


def test_grey_alpha_palette_and_deep_images_are_read_as_rgb(own):
    base = np.random.default_rng(0).integers(0, 256, (5, 7)).astype(np.uint8)
    path = own / "val/images/z.png"
    data = open_dataset(own, "val")
    Image.fromarray(base).save(path)
    grey = load_sample(data, 0)["image"]
    np.testing.assert_array_equal(grey, np.repeat(base[..., None], 3, 2))
    rgba = np.stack([base, base // 2, base // 3, base // 4], axis=2)
    Image.fromarray(rgba).save(path)
    np.testing.assert_array_equal(load_sample(data, 0)["image"], rgba[..., :3])
    deep = base.astype(np.uint16) * 256 + 77
    Image.fromarray(deep).save(path)
    assert path.read_bytes()[24] == 16
    np.testing.assert_array_equal(load_sample(data, 0)["image"], grey)
