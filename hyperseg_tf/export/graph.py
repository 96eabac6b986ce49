"""A model as one function of pictures: what every format is written from."""

from functools import cached_property
from pathlib import Path

import keras

from hyperseg_tf.base import pixels
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.export.options import Options
from hyperseg_tf.export.signature import IMAGES, colours_of


class ServingGraph:
    """Preprocessing, the folded network in plain operations, and the chosen output.

    Args:
        model: A `HyperSeg`, or any Keras model from normalised images (B, H, W, 3) to
            logits (B, H, W, C).
        options: Whose size, batch and output the function has.

    Attributes:
        model: The original.
        network: The same with its batch norms folded, "slices" in its decoder.
    """

    def __init__(self, model: keras.Model, options: Options) -> None:
        if keras.backend.backend() != "tensorflow":
            raise UserError(
                f"an export is written by TensorFlow: the Keras backend is "
                f"{keras.backend.backend()}; set KERAS_BACKEND=tensorflow."
            )
        self.model = model
        self.options = options
        self.network = model.fold("slices") if hasattr(model, "fold") else model

    @cached_property
    def function(self):
        """Concrete function: uint8 `images` (B, H, W, 3), RGB, to {output: tensor}.

        Shapes are fixed as far as the options fix them; weights are variables.
        """
        import tensorflow as tf

        height, width = self.options.size or (None, None)
        spec = tf.TensorSpec((self.options.batch, height, width, 3), tf.uint8, IMAGES)

        @tf.function(input_signature=[spec], autograph=False)
        def serve(images):
            colour = tf.cast(images, tf.float32)
            logits = self.network(pixels.normalise(colour), training=False)
            return {self.options.output: self.answer(logits, colour)}

        return serve.get_concrete_function()

    @cached_property
    def frozen(self):
        """`function` with its weights as constants.

        Converters otherwise make inputs of captured constants, or keep variables that
        their runtime cannot read.
        """
        import tensorflow as tf
        from tensorflow.python.framework import convert_to_constants

        frozen = convert_to_constants.convert_variables_to_constants_v2(self.function)
        definition = frozen.graph.as_graph_def()
        # Nobody trains the file; gradients of its own it cannot be saved with.
        for nodes in (
            definition.node,
            *(function.node_def for function in definition.library.function),
        ):
            for node in nodes:
                node.attr.pop("_gradient_op_type", None)
        wrapped = tf.compat.v1.wrap_function(
            lambda: tf.graph_util.import_graph_def(definition, name=""), []
        )
        return wrapped.prune(
            *(
                [wrapped.graph.as_graph_element(tensor.name) for tensor in tensors]
                for tensors in (frozen.inputs, frozen.outputs)
            )
        )

    def answer(self, logits, images):
        """The output, of logits (B, H, W, C) and images float32 (B, H, W, 3), 0..255.

        Returns:
            logits or probabilities float32 (B, H, W, C), class_map uint8 (B, H, W), or
            overlay uint8 (B, H, W, 3): `visualise.overlay`.
        """
        import tensorflow as tf

        output = self.options.output
        if output == "logits":
            return logits
        if output == "probabilities":
            return tf.nn.softmax(logits)
        best = tf.argmax(logits, axis=-1, output_type=tf.int32)
        if output == "class_map":
            return tf.cast(best, tf.uint8)
        painted = tf.gather(tf.constant(colours_of(self.model), tf.float32), best)
        mixed = images + 0.5 * (painted - images)
        return tf.cast(tf.round(mixed), tf.uint8)

    def save(self, folder: Path) -> Path:
        """Write `frozen` as a SavedModel with one signature, for converters that name
        inputs and outputs by it."""
        import tensorflow as tf

        output = self.options.output
        frozen = self.frozen
        spec = tf.TensorSpec(frozen.inputs[0].shape, tf.uint8, IMAGES)

        @tf.function(input_signature=[spec], autograph=False)
        def serve(images):
            return {output: frozen(images)[0]}

        tf.saved_model.save(tf.Module(), str(folder), {"serving_default": serve})
        return folder
