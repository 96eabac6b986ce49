"""Run a level with JAX where TensorFlow cannot be imported; used by test_jax.py.

python -m tests.network.jax_parts INPUTS.npz OUTPUT.npy
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "jax"


def main() -> None:
    """Write what a level makes of feature, previous and generated weights."""
    inputs, target = sys.argv[1:]
    sys.modules["tensorflow"] = None  # an import of it fails
    import numpy as np

    from hyperseg_tf.network import model  # noqa: F401 (all of the network imports)
    from hyperseg_tf.network.decoder import Level

    with np.load(inputs) as given:
        maps = [given[name] for name in ("feature", "previous", "weights")]
    np.save(target, Level(3, 3)(maps))


if __name__ == "__main__":
    main()
