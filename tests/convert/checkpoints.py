"""The published checkpoints by our names, and what tests read of conversions."""

import numpy as np

# Golden name -> preset.
MODELS = {
    "camvid_hyperseg_s": "hyperseg_s_camvid",
    "cityscapes_hyperseg_s": "hyperseg_s_cityscapes",
    "camvid_hyperseg_l": "hyperseg_l_camvid",
    "cityscapes_hyperseg_m": "hyperseg_m_cityscapes",
    "vocsbd_hyperseg_l": "hyperseg_l_voc",
}


def rows_of(path):
    """Cells of the rows of a report's table."""
    lines = path.read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|---"))
    return [line.strip("| ").split(" | ") for line in lines[start + 1 :]]


def assert_same(model, other):
    """All weights are equal, bit for bit."""
    for found, want in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(found, want)
