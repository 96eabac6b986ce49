"""Run a model with JAX where TensorFlow cannot be imported; used by test_jax.py.

python -m tests.network.jax_logits MODEL.keras IMAGES.npy LOGITS.npy float32|float64
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "jax"


def main() -> None:
    """Write the logits of the images, (B, H, W, classes)."""
    model, images, target, floatx = sys.argv[1:]
    sys.modules["tensorflow"] = None  # an import of it fails
    import jax
    import keras
    import numpy as np

    jax.config.update("jax_enable_x64", floatx == "float64")
    # Compiling, the initial values of every shape above all, is what takes its time.
    jax.config.update("jax_disable_most_optimizations", True)
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(floatx)
    import hyperseg_tf

    network = hyperseg_tf.load(model).with_implementation("einsum")
    values = [
        [variable.value for variable in variables]
        for variables in (network.trainable_variables, network.non_trainable_variables)
    ]
    run = jax.jit(lambda state, x: network.stateless_call(*state, x, training=False)[0])
    np.save(target, run(values, np.load(images).astype(floatx)))


if __name__ == "__main__":
    main()
