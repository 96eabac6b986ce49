"""What every picture file must be, be it an image or a label.

Bytes are decoded by the very ops that training uses: what passes here decodes there.
What fails becomes a finding.
"""

from functools import cache
from io import BytesIO
from pathlib import Path
from threading import Lock

import numpy as np
import tensorflow as tf
from PIL import Image

from hyperseg_tf.base import picture_file
from hyperseg_tf.base.picture_file import BadPicture
from hyperseg_tf.pipelines.decode import LIMIT, decode_image, decode_values
from hyperseg_tf.pipelines.samples import Finding

_FIRST_CALL = Lock()


def open_header(
    source: str | Path,
    contents: bytes,
    formats: tuple[str, ...],
    findings: list[Finding],
) -> Image.Image | None:
    """The header of a picture in one of `formats` within `LIMIT`; or a finding.

    What else is a picture is opened as far as its header, to say what it is.
    """
    try:
        known = tuple(dict.fromkeys((*picture_file.FORMATS, *formats)))
        header = picture_file.open_header(BytesIO(contents), known)
        kind = header.format
    except (OSError, BadPicture) as error:
        header = None
        kind = f"{error} ({len(contents)} bytes)"
    if header is None or kind not in formats:
        kinds = " or ".join(formats[:2])
        reason = ", which loses label values" if kind == "JPEG" else ""
        findings.append(
            Finding(
                source,
                f"the file holds {kinds} data",
                f"{kind}{reason}",
                f"save it as {formats[0]}",
            )
        )
        return None
    if not LIMIT.holds(header.height, header.width):
        findings.append(
            Finding(
                source,
                f"a picture has at most {LIMIT}",
                f"{header.height}x{header.width} (height x width)",
                "cut image and label into smaller ones",
            )
        )
        return None
    return header


def unreadable(source: str | Path, error: OSError) -> Finding:
    """That the bytes of a picture cannot be had."""
    return Finding(
        source,
        "every listed file can be read",
        error.strerror or str(error),
        "restore it or take its pair out",
    )


def decode(
    source: str | Path, kind: str, contents: bytes, findings: list[Finding]
) -> np.ndarray | None:
    """What is in the file, or None and a finding.

    Args:
        kind: `image` for `decode_image`, else the encoding of `decode_values`.
    """
    try:
        return _decoder(kind)(tf.constant(contents)).numpy()
    except (MemoryError, tf.errors.ResourceExhaustedError):
        findings.append(
            Finding(
                source,
                "memory suffices to decode a picture",
                "it does not for this one",
                "cut image and label into smaller ones, or free memory",
            )
        )
        return None
    except tf.errors.OpError:
        # The decoders' own messages say no more than this.
        findings.append(
            Finding(
                source,
                "the file can be decoded to its end",
                f"it is damaged or cut short ({len(contents)} bytes)",
                "restore it or take its pair out",
            )
        )
        return None


def _decoder(kind: str):
    # Threads that meet nothing ready would each trace their own.
    with _FIRST_CALL:
        return _traced(kind)


@cache
def _traced(kind: str):
    def from_bytes(contents: tf.Tensor) -> tf.Tensor:
        if kind == "image":
            return decode_image(contents)
        return decode_values(contents, kind)

    signature = tf.TensorSpec((), tf.string)
    with tf.device("CPU"):
        return tf.function(from_bytes).get_concrete_function(signature)
