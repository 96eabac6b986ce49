"""The one door through which tensorflow-model-optimization comes in.

It is written for Keras 2 (tf_keras), and on import it tells TensorFlow, through the
environment, to take that for `tf.keras` in this process and in all it starts. Here
`tf.keras` is settled first and the environment is put back, so that nothing around
it changes. Its functions do not know Keras 3: some raise on a Keras 3 model, and
`cluster_weights` returns None without an error. What is given to it must be made of
tf_keras, or be a number.
"""

import importlib
import os
import warnings
from types import ModuleType

from hyperseg_tf.base.errors import UserError

_PACKAGE = "tensorflow_model_optimization"
_LEGACY = "TF_USE_LEGACY_KERAS"


def toolkit() -> ModuleType:
    """Import `tensorflow_model_optimization`; `tf.keras` stays what it is.

    Raises:
        UserError: It, or tf_keras below it, is not installed.
    """
    import tensorflow as tf

    before = os.environ.get(_LEGACY)
    _ = tf.keras.layers  # `tf.keras` is chosen when it is first touched
    try:
        with warnings.catch_warnings():
            # It compares versions by distutils.
            warnings.simplefilter("ignore", DeprecationWarning)
            return importlib.import_module(_PACKAGE)
    except ImportError as error:
        raise UserError(
            "pruning and clustering need tensorflow-model-optimization and tf_keras: "
            f"{error}; pip install 'hyperseg_tf[compress]'."
        ) from error
    finally:
        if before is None:
            os.environ.pop(_LEGACY, None)
        else:
            os.environ[_LEGACY] = before
