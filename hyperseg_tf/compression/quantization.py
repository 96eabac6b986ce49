"""Quantization-aware training of the backbone, to TFLite.

The toolkit's quantizers work on tf_keras alone: the folded backbone is copied into it
(`twin`), given fake quantization and trained to give the features of the original, for
which no labels are needed. Decoder and context head stay as they are, in float: their
kernels are made for each patch, and no range can be learned for them beforehand. What
comes out is a TFLite file; the ranges have no place in a `.keras` file of this library.
"""

from collections.abc import Iterable

import keras
import numpy as np

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.compression.toolkit import toolkit
from hyperseg_tf.compression.twin import backbone_of, twin
from hyperseg_tf.network.model import HyperSeg


class QuantizedBackbone:
    """A model whose backbone computes in 8 bits, weights and features.

    Args:
        model: With an EfficientNet as backbone; not changed.
        learning_rate: Of Adam.

    Raises:
        UserError: The model is another one, or the toolkit is not installed.
    """

    def __init__(self, model: HyperSeg, learning_rate: float = 1e-4):
        if not isinstance(model, HyperSeg):
            raise UserError(
                "quantization-aware training takes a HyperSeg: got a "
                f"{type(model).__name__}; load one by hyperseg_tf.load."
            )
        tfmot = toolkit()
        import tensorflow as tf
        import tf_keras

        model = model.fold("slices")
        self.multiple = model.preset.size_multiple
        self._float = twin(backbone_of(model))
        self._quantized = _quantized(tfmot, self._float)
        self._rest = _behind_backbone(model)
        self._optimizer = tf_keras.optimizers.Adam(learning_rate)
        self._step = tf.function(self._train_step, reduce_retracing=True)

    def train(self, batches: Iterable[np.ndarray]) -> list[float]:
        """One step for each batch; ranges settle in some dozens.

        Args:
            batches: Normalised images (B, H, W, 3) float32 like those to come; H and W
                divide by the preset's `size_multiple`.

        Returns:
            The loss before each step: mean squared difference of the features from
            the float ones, relative to their variance, summed over the six maps.

        Raises:
            ValueError: As `logits`.
        """

        return [self._loss_of(batch) for batch in batches]

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Logits (B, H, W, C) with the quantization simulated, for images as above.

        Raises:
            ValueError: H or W does not divide by the preset's `size_multiple`.
        """
        import tensorflow as tf

        self._check(images.shape[1:3])
        return self._logits(tf.convert_to_tensor(images)).numpy()

    def to_tflite(self, size: tuple[int, int]) -> bytes:
        """A TFLite file for float32 images (1, height, width, 3), normalised.

        Raises:
            ValueError: The size does not divide by the preset's `size_multiple`.
        """
        import tensorflow as tf

        self._check(size)
        spec = tf.TensorSpec((1, *size, 3), tf.float32)
        call = tf.function(self._logits, input_signature=[spec])
        # Not told of a model: of one of Keras 3 it would leave the weights out.
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [call.get_concrete_function()]
        )
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return converter.convert()

    def _loss_of(self, batch) -> float:
        import tensorflow as tf

        self._check(batch.shape[1:3])
        return float(self._step(tf.convert_to_tensor(batch)))

    def _check(self, size: tuple[int, int]) -> None:
        if any(side % self.multiple for side in size):
            raise ValueError(
                f"sides must divide by {self.multiple}: got {size[0]}x{size[1]}."
            )

    def _logits(self, images):
        features = self._quantized(images, training=False)
        return self._rest([images, *features], training=False)

    def _train_step(self, images):
        import tensorflow as tf

        wanted = self._float(images, training=False)
        with tf.GradientTape() as tape:
            found = self._quantized(images, training=True)
            losses = [
                tf.reduce_mean((a - b) ** 2) / tf.math.reduce_variance(b)
                for a, b in zip(found, wanted, strict=True)
            ]
            loss = tf.add_n(losses)
        variables = self._quantized.trainable_variables
        gradients = tape.gradient(loss, variables)
        self._optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss


def _behind_backbone(model: HyperSeg) -> keras.Model:
    """[images, F1, ..., F5, head] -> logits."""
    tensors = model.taps().output
    names = [*(f"feature_{i}" for i in range(1, 6)), "feature_head"]
    return keras.Model(
        [model.inputs[0], *(tensors[name] for name in names)], tensors["logits"]
    )


def _quantized(tfmot, model):
    """A copy of a model of tf_keras with fake quantization around every layer."""
    import tf_keras

    quantization = tfmot.quantization.keras
    scaled = _output_alone(quantization)

    def annotate(layer):
        # The toolkit has no rule for a product of two maps.
        if isinstance(layer, tf_keras.layers.Multiply):
            return quantization.quantize_annotate_layer(layer, scaled())
        return quantization.quantize_annotate_layer(layer)

    with quantization.quantize_scope({scaled.__name__: scaled}):
        copy = tf_keras.models.clone_model(model, clone_function=annotate)
        copy.set_weights(model.get_weights())
        return quantization.quantize_apply(copy)


def _output_alone(quantization):
    """The rule of a layer without weights: its output has a range that is learned."""

    class OutputAlone(quantization.QuantizeConfig):
        def get_weights_and_quantizers(self, layer):
            return []

        def get_activations_and_quantizers(self, layer):
            return []

        def set_quantize_weights(self, layer, quantize_weights):
            pass

        def set_quantize_activations(self, layer, quantize_activations):
            pass

        def get_output_quantizers(self, layer):
            return [
                quantization.quantizers.MovingAverageQuantizer(
                    num_bits=8, per_axis=False, symmetric=False, narrow_range=False
                )
            ]

        def get_config(self):
            return {}

    return OutputAlone
