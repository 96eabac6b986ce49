import numpy as np
import torch

from hyperseg_tf.convert.released import coordinates


def test_coordinates_are_torchs_bit_for_bit():
    for count in (*range(1, 200), 255, 256, 384, 512, 576, 768, 1000, 1024, 1536, 4096):
        line = coordinates.grid(1, count)[0, 0, 0]
        np.testing.assert_array_equal(
            line.view("int32"), torch.linspace(-1, 1, count).numpy().view("int32")
        )
    assert coordinates.grid(3, 5).shape == (1, 2, 3, 5)
