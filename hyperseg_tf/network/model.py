"""The network: image -> features -> signal -> weights -> logits (Eqs. 1 to 4)."""

import functools
from dataclasses import fields, replace
from pathlib import Path

import keras
from keras import layers, ops

from hyperseg_tf import presets
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.names import did_you_mean
from hyperseg_tf.base.progress import say
from hyperseg_tf.network import (
    backbones,
    context_head,
    initial_weights,
    static_decoder,
)
from hyperseg_tf.network.channels import channels_last
from hyperseg_tf.network.decoder import Level
from hyperseg_tf.network.fold import fold
from hyperseg_tf.network.layout import decoder_layout, signal_channels
from hyperseg_tf.network.metadata import check_metadata
from hyperseg_tf.network.normalised import check_normalised
from hyperseg_tf.network.weight_head import WeightHead
from hyperseg_tf.ops import choice, resize
from hyperseg_tf.presets.preset import CELL, Preset


@keras.saving.register_keras_serializable("hyperseg_tf")
class HyperSeg(keras.Model):
    """HyperSeg: a segmentation network that makes its decoder's weights per patch.

    Any batch size and any image from 32x32 pixels up work. Images are padded at the
    bottom and on the right with 0 (the ImageNet mean colour) to a multiple of
    `preset.size_multiple` pixels, and the logits are cropped back; sizes that are
    multiples already, as all published ones, are not touched. (The released code fails
    below 64x128 and off multiples of 64.)

    Args:
        preset: The architecture, a `Preset` or its `to_dict()`.
        implementation: Of the dynamic convolution: "auto", "einsum", "slices", "xla",
            "fused".
        folded: Build the inference form without batch normalization; see `fold`.
        metadata: JSON-able facts that travel with the model, such as its classes;
            `check_metadata` has the rules.

    Shapes:
        images: (B, H, W, 3) float32, RGB, ImageNet-normalised.
        returns: (B, H, W, num_classes) logits.

    Raises:
        ValueError: If an image side is known and below 32, or an argument is unknown.
    """

    @channels_last()
    def __init__(
        self, preset, implementation="auto", folded=False, metadata=None, **kwargs
    ):
        if isinstance(preset, dict):
            preset = Preset.from_dict(preset)
        if not isinstance(preset, Preset):
            raise ValueError(_no_preset(preset))
        _check_keywords(kwargs, _KEYWORDS, "HyperSeg")
        choice.check(implementation)
        metadata = dict(metadata or {})
        check_metadata(metadata, preset.num_classes)

        # Inputs
        images = keras.Input((None, None, 3), name="images")
        x = PadToMultiple(preset.size_multiple, name="pad")(images)

        # Backbone
        backbone = backbones.build(
            preset.backbone,
            preset.backbone_padding,
            preset.reductions,
            folded,
            implementation,
        )
        *features, head = backbone(x)

        # Context
        signal = head
        if preset.context_levels:
            signal = context_head.build(
                signal_channels(preset),
                preset.context_levels,
                preset.context_head,
                folded,
            )(head)
        signal = _pool(signal, preset.patch_size)

        # Levels
        maps = (x, *features)
        if preset.dynamic:
            weights, outputs = _decode(preset, maps, signal, implementation, folded)
        else:
            weights, outputs = [], static_decoder.build(preset, maps, signal, folded)

        # Output
        logits = outputs[-1]
        if len(outputs) == len(features):
            logits = BilinearUpsample(name="upsample")(logits)
        logits = CropToImage(dtype="float32", name="logits")([logits, images])
        super().__init__(images, logits, **{"name": preset.name, **kwargs})
        self.preset = preset
        self.implementation = implementation
        self.folded = folded
        self.metadata = metadata
        # Symbolic tensors by name; kept in a tuple so that Keras does not wrap them.
        self._taps = (
            *((f"feature_{i + 1}", tensor) for i, tensor in enumerate(features)),
            ("feature_head", head),
            ("signal", signal),
            *((f"weights_{i}", tensor) for i, tensor in enumerate(weights)),
            *((f"level_{i}", tensor) for i, tensor in enumerate(outputs)),
            ("logits", logits),
        )

    @classmethod
    def from_preset(
        cls,
        name: str | Preset,
        weights: str | Path | None = None,
        num_classes: int | None = None,
        implementation: str = "auto",
        **changes,
    ) -> "HyperSeg":
        """Build a model by the name of a preset.

        Args:
            name: Name in `hyperseg_tf.presets`, or a `Preset`.
            weights: None for random values; "imagenet" for the backbone's ImageNet
                weights, downloaded; the path of a local ImageNet file, `.h5` or `.pth`
                (backbone); of a `.keras` file of this library or a released `.pth`
                checkpoint (everything). The backbone pads as the file was made for,
                unless `changes` say otherwise: files of torch are for "static".
                `hyperseg_tf.convert` reads them all, and must have been imported:
                `from hyperseg_tf import HyperSeg` does.
            num_classes: Channels of the logits; None for the preset's.
            implementation: Of the dynamic convolution.
            **changes: Other fields of the preset to replace.

        Raises:
            ValueError: If the preset or a field is unknown or the file does not fit.
        """
        preset = name if isinstance(name, Preset) else presets.get(name)
        known = [field.name for field in fields(Preset)]
        _check_keywords(changes, known, "a preset")
        if num_classes is not None:
            changes["num_classes"] = num_classes
        preset = replace(preset, **changes)
        if weights is not None and "backbone_padding" not in changes:
            padding = initial_weights.reader().padding_of(weights, preset)
            preset = replace(preset, backbone_padding=padding)
        model = cls(preset, implementation=implementation)
        if weights is not None:
            initial_weights.reader().load_weights(model, weights)
        return model

    @property
    def backbone(self) -> keras.Model:
        """The encoder: images (B, H, W, 3) to [F1, ..., F5, head].

        Its sides divide by `preset.size_multiple`. To train what is behind it alone:
        `model.backbone.trainable = False`, before `compile`.
        """
        return self.get_layer("backbone")

    def call(self, inputs, training=None, mask=None):
        check_normalised(inputs)
        return super().call(inputs, training=training, mask=mask)

    @functools.wraps(keras.Model.fit)
    def fit(self, *args, **kwargs):
        """`keras.Model.fit`; says that the first step takes long."""
        check_normalised(args[0] if args else kwargs.get("x"))
        silent = kwargs.get("verbose", "auto") in (0, "0") or self.run_eagerly
        if not silent and self.train_function is None:
            say("tracing the first step; this takes up to a minute ...")
        return super().fit(*args, **kwargs)

    def save(self, filepath, overwrite=True, **kwargs):
        """`keras.Model.save`, to a `.keras` file alone.

        Raises:
            ValueError: `filepath` ends in `.h5`, from which it could not be loaded.
        """
        if Path(filepath).suffix.lower() in (".h5", ".hdf5"):
            raise ValueError(
                f"a HyperSeg is saved as a .keras file: got {filepath}; name it so, "
                "or save_weights('NAME.weights.h5') for the weights alone."
            )
        super().save(filepath, overwrite=overwrite, **kwargs)

    def taps(self) -> keras.Model:
        """A model with the same input that returns every intermediate tensor by name.

        `feature_1` to `feature_5`, `feature_head`, `signal`, `weights_i`, `level_i`,
        `logits`; maps of a padded image keep the padding.
        """
        return keras.Model(self.inputs[0], dict(self._taps))

    def before_resize(self) -> tuple[keras.Model, int]:
        """A model with the same input that ends before the last resize.

        Returns:
            The model, whose logits are those of the padded image, (B, H', W', C), and
            by how much they are smaller than it, 1 or 2.
        """
        *_, (_, last) = (tap for tap in self._taps if tap[0].startswith("level_"))
        resized = any(isinstance(layer, BilinearUpsample) for layer in self.layers)
        return keras.Model(self.inputs[0], last), 2 if resized else 1

    def fold(self, implementation: str | None = None) -> "HyperSeg":
        """An inference copy without batch normalization (Appendix E)."""
        return fold(self, implementation)

    def export(
        self,
        filepath,
        format="tf_saved_model",
        verbose=None,
        input_signature=None,
        **kwargs,
    ):
        """`keras.Model.export` of a copy that other programs can run.

        The copy is folded and computes with plain operations ("slices"), so that the
        file needs none of the custom ops. It takes what the model takes, normalised
        images; `hyperseg_tf.export.write` puts preprocessing into the file, too, and
        compares it.

        Args:
            filepath: Where to write.
            format: "tf_saved_model", "onnx", "openvino", "litert", ... as Keras has it.
            verbose: As Keras has it.
            input_signature: As Keras has it; None leaves batch and sizes open, but for
                "litert", whose builtin operations cannot: there it is one image of the
                size that the preset is evaluated at.
            **kwargs: As Keras has them.

        Raises:
            UserError: A size that OpenVINO's reader of TensorFlow graphs cannot take.
        """
        if not self.folded or self.implementation != "slices":
            copy = self.fold("slices")
            copy.export(filepath, format, verbose, input_signature, **kwargs)
            return
        if input_signature is None:
            # Keras would ask for a model that has been called.
            fixed = (1, *self.preset.image_size, 3)
            shape = fixed if format == "litert" else (None, None, None, 3)
            name = self.inputs[0].name
            input_signature = [keras.InputSpec("float32", shape, name=name)]
        if format == "openvino":
            self._check_multiple(keras.tree.flatten(input_signature)[0].shape)
        super().export(filepath, format, verbose, input_signature, **kwargs)

    def _check_multiple(self, shape):
        """OpenVINO merges the padding of a known size with the first convolution's,
        and loses the latter."""
        multiple = self.preset.size_multiple
        if any(side is not None and side % multiple for side in shape[1:3]):
            raise UserError(
                f"a known size is a multiple of {multiple} for Keras' export to "
                f"OpenVINO: got {tuple(shape)}; leave sizes open, or use "
                "hyperseg_tf.export.write, which takes any."
            )

    def with_implementation(self, implementation: str) -> "HyperSeg":
        """A copy with the same weights and another dynamic convolution."""
        config = {**self.get_config(), "implementation": implementation}
        copy = type(self).from_config(config)
        copy.set_weights(self.get_weights())
        return copy

    def set_metadata(self, metadata: dict) -> None:
        """Replace the facts that are saved with the model.

        Raises:
            ValueError: They break the rules of `check_metadata`.
        """
        metadata = dict(metadata)
        check_metadata(metadata, self.preset.num_classes)
        self.metadata = metadata

    def get_config(self):
        return {
            "name": self.name,
            "preset": self.preset.to_dict(),
            "implementation": self.implementation,
            "folded": self.folded,
            "metadata": dict(self.metadata),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)


# Of every Keras model.
_KEYWORDS = ("name", "trainable")


def _check_keywords(given, known, what):
    """Raise `ValueError` for a keyword that does not exist."""
    for name in given:
        if name not in known:
            raise ValueError(
                f"{what} has no argument {name!r}; {did_you_mean(name, known)}there "
                f"are {', '.join(known)}."
            )


def _no_preset(preset):
    if isinstance(preset, str):
        name = presets.get(preset).name  # says which was meant, if there is none
        return (
            f"HyperSeg takes a Preset: got its name {name!r}; build it so: "
            f"HyperSeg.from_preset({name!r})."
        )
    return f"HyperSeg takes a Preset: got {type(preset).__name__}."


def _pool(signal, patch_size):
    """Average the signal (B, H/32, W/32, C) to one vector per patch."""
    if patch_size is None:
        return layers.GlobalAveragePooling2D(keepdims=True, name="pool_signal")(signal)
    if patch_size > CELL:
        return layers.AveragePooling2D(patch_size // CELL, name="pool_signal")(signal)
    return signal


def _decode(preset, maps, signal, implementation, folded):
    """Generated weights of all heads, and the outputs of all levels."""
    level_layouts, head_layouts = decoder_layout(preset)
    heads = [
        WeightHead(
            layout.units,
            layout.groups,
            layout.offset,
            layout.channels,
            layout.fan_ins,
            name=f"weights_{i}",
        )
        for i, layout in enumerate(head_layouts)
    ]
    made = [head(signal, return_kernel=True) for head in heads]
    outputs = []
    for i, layout in enumerate(level_layouts):
        level = Level(
            layout.filters,
            layout.kernel_size,
            start=layout.start,
            groups=head_layouts[layout.head].groups,
            offset=head_layouts[layout.head].offset,
            expand_ratio=preset.expand_ratio,
            halo=preset.halo,
            positions=preset.positions,
            folded=folded,
            implementation=implementation,
            name=f"level_{i}",
        )
        weights, kernel = made[layout.head]
        inputs = [maps[layout.feature], *outputs[-1:], weights]
        outputs.append(level(inputs, signal=signal, kernel=kernel))
    return [weights for weights, _ in made], outputs


@keras.saving.register_keras_serializable("hyperseg_tf")
class PadToMultiple(layers.Layer):
    """Pad at the bottom and on the right with 0 up to a multiple of `multiple` pixels.

    Args:
        multiple: Of height and width, in pixels.

    Shapes:
        inputs: (B, H, W, C).
        returns: (B, H', W', C), the next multiples.

    Raises:
        ValueError: If a side is known and below 32.
    """

    def __init__(self, multiple, **kwargs):
        super().__init__(**kwargs)
        self.multiple = multiple

    def call(self, x):
        size = ops.shape(x)[1:3]
        if any(isinstance(side, int) and side < 32 for side in size):
            raise ValueError(
                f"images must be at least 32x32 pixels: got {size[0]}x{size[1]}; "
                "enlarge them first."
            )
        # Of numbers above 0 only: converters divide negative ones towards 0.
        pads = [[0, _rounded_up(side, self.multiple) - side] for side in size]
        return ops.pad(x, [[0, 0], *pads, [0, 0]])

    def compute_output_shape(self, shape):
        batch, *size, channels = shape
        size = (s if s is None else _rounded_up(s, self.multiple) for s in size)
        return (batch, *size, channels)

    def get_config(self):
        return {**super().get_config(), "multiple": self.multiple}


def _rounded_up(side, multiple):
    """The next multiple, of an int or an integer tensor."""
    return (side + multiple - 1) // multiple * multiple


@keras.saving.register_keras_serializable("hyperseg_tf")
class BilinearUpsample(layers.Layer):
    """Bilinear upsampling by two, half-pixel centres.

    Shapes:
        inputs: (B, H, W, C); sizes may be unknown in a graph.
        returns: (B, 2H, 2W, C), same dtype.
    """

    def call(self, x):
        return resize.upsample(x)

    def compute_output_shape(self, shape):
        batch, *size, channels = shape
        return (batch, *(None if s is None else 2 * s for s in size), channels)


@keras.saving.register_keras_serializable("hyperseg_tf")
class CropToImage(layers.Layer):
    """Crop a padded map to the size of the image it was made for.

    Shapes:
        map: (B, H', W', C), padded at the bottom and on the right.
        image: (B, H, W, D); only its size counts. Called as `layer([map, image])`.
        returns: (B, H, W, C).
    """

    def call(self, inputs):
        x, image = inputs
        height, width = ops.shape(image)[1:3]
        return x[:, :height, :width]

    def compute_output_shape(self, shapes):
        return (*shapes[1][:3], shapes[0][-1])
