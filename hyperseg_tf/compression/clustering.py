"""Kernels of few values, so that a compressed file is small.

The toolkit knows layers of tf_keras alone, and returns None for a layer or a model of
Keras 3 without an error. So every kernel of the folded network is put into a dense
layer of tf_keras, which is clustered and stripped, and its values are carried back:
what comes out is a `HyperSeg` that is saved and exported like any other. The network
must be folded first: folding scales each channel, and values that agreed would not.
"""

import keras
import numpy as np

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.compression.kernels import kernels
from hyperseg_tf.compression.toolkit import toolkit
from hyperseg_tf.network.model import HyperSeg

LARGEST = 256


def cluster(
    model: HyperSeg, clusters: int = 64, *, smallest: int = 1000, seed: int = 0
) -> HyperSeg:
    """Return a folded copy of a model whose kernels have few values each.

    The values are centroids that `tfmot.clustering.keras.cluster_weights` finds
    (KMEANS_PLUS_PLUS); every weight becomes the nearest. Nothing is trained. Zero is
    one of the values, so a pruned model keeps its sparsity.

    Args:
        model: Folded or not; not changed.
        clusters: Values of a kernel at most, 2..256.
        smallest: Kernels of fewer weights keep theirs; at least `clusters`.
        seed: Of the choice of centroids.

    Raises:
        UserError: The model is no `HyperSeg`, or the toolkit is not installed.
        ValueError: A number is out of range.
    """
    if not isinstance(model, HyperSeg):
        raise UserError(
            f"clustering takes a HyperSeg, which it folds: got {type(model).__name__}; "
            "load one by hyperseg_tf.load."
        )
    if not 2 <= clusters <= LARGEST:
        raise ValueError(f"clusters must be in 2..{LARGEST}: got {clusters}.")
    if smallest < clusters:
        raise ValueError(
            f"a clustered kernel has more weights than values: got smallest={smallest} "
            f"and clusters={clusters}."
        )
    found = toolkit()
    copy = model.fold()
    for i, kernel in enumerate(kernels(copy, smallest)):
        values = keras.ops.convert_to_numpy(kernel.variable)
        rows = values.reshape(-1, values.shape[-1])
        kernel.variable.assign(
            _clustered(found, rows, clusters, seed + i).reshape(values.shape)
        )
    copy.set_metadata({**copy.metadata, "clusters": clusters})
    return copy


def _clustered(tfmot, values: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """Values (rows, columns) float32, each replaced by the nearest centroid."""
    import tensorflow as tf
    import tf_keras

    layer = tf_keras.layers.Dense(values.shape[1], use_bias=False)
    layer.build((None, values.shape[0]))
    layer.set_weights([values])
    clustering = tfmot.clustering.keras
    tf.random.set_seed(seed)
    wrapped = clustering.cluster_weights(
        layer,
        number_of_clusters=clusters,
        cluster_centroids_init=clustering.CentroidInitialization.KMEANS_PLUS_PLUS,
        preserve_sparsity=True,
    )
    inputs = tf_keras.Input((values.shape[0],))
    stripped = clustering.strip_clustering(tf_keras.Sequential([inputs, wrapped]))
    (found,) = stripped.get_weights()
    return found
