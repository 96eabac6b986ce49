import os
import subprocess
import sys

import keras
import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.compression.toolkit import toolkit


@pytest.mark.slow
def test_keras_and_the_environment_are_as_before():
    code = """
import os
from hyperseg_tf.compression.toolkit import toolkit
assert toolkit().sparsity.keras.PolynomialDecay
import keras, tensorflow as tf
assert "TF_USE_LEGACY_KERAS" not in os.environ
assert tf.keras.layers.Dense is keras.layers.Dense, tf.keras.layers.Dense
"""
    environment = {**os.environ}
    environment.pop("TF_USE_LEGACY_KERAS", None)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_what_the_user_had_set_is_set_again(monkeypatch):
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "0")
    toolkit()
    assert os.environ["TF_USE_LEGACY_KERAS"] == "0"


def test_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_model_optimization", None)
    with pytest.raises(UserError, match=r"install 'hyperseg_tf\[compress\]'") as caught:
        toolkit()
    assert "\n" not in str(caught.value)
    assert "TF_USE_LEGACY_KERAS" not in os.environ


def test_the_toolkits_own_functions_do_not_take_keras_3():
    """Why none of them is called with our models; see docs/compression.md."""
    tfmot = toolkit()
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    clustering = tfmot.clustering.keras
    linear = clustering.CentroidInitialization.LINEAR
    # No error, and no model.
    assert clustering.cluster_weights(model, 4, linear) is None
    assert clustering.cluster_weights(model.layers[0], 4, linear) is None
    with pytest.raises(ValueError, match="can only prune an object of"):
        tfmot.sparsity.keras.prune_low_magnitude(model)
    with pytest.raises(ValueError, match="Sequential or Functional"):
        tfmot.quantization.keras.quantize_model(model)
