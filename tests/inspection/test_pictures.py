import numpy as np
import pytest

from hyperseg_tf.inspection.inspect import inspect
from hyperseg_tf.inspection.pictures import _components


@pytest.mark.slow
def test_a_single_patch_has_no_components_and_the_picture_says_so(model):
    found = inspect(model, np.zeros((5, 40, 3), np.uint8), image_size=(32, 32))
    (axes,) = _components(found).axes
    assert "level 4: one patch" in axes.figure.get_suptitle()
