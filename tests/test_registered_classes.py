"""Every class that files name: found by its registration, none may be left out.

A class registered in `hyperseg_tf` without a case below fails here.
"""

import ast
import importlib
import inspect
import pkgutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import hyperseg_tf
from hyperseg_tf import DPWConv, HyperSeg, presets
from hyperseg_tf.evaluation.metrics import ConfusionMatrix
from hyperseg_tf.network import backbones, context_head
from hyperseg_tf.network.backbones.bottleneck import MobileBottleneck
from hyperseg_tf.network.backbones.resnet import PyramidPool, PyramidSpread
from hyperseg_tf.network.batch_norm import BatchNorm
from hyperseg_tf.network.context_head import GlobalContext, NearestUpsample
from hyperseg_tf.network.decoder import Level
from hyperseg_tf.network.model import BilinearUpsample, CropToImage, PadToMultiple
from hyperseg_tf.network.static_decoder import Fuse, ReflectPad
from hyperseg_tf.network.weight_head import HyperFanIn, WeightHead
from hyperseg_tf.training.losses import BootstrappedCrossEntropy
from hyperseg_tf.training.schedules import PolyDecay

ROOT = Path(hyperseg_tf.__file__).parent
PREFIX = "hyperseg_tf>"


def _list_of(layer, *tensors):
    return layer(list(tensors))


def _level(layer, *tensors):
    *maps, signal, kernel = tensors
    return layer(maps, signal=signal, kernel=kernel)


@dataclass(frozen=True)
class Case:
    """A layer with awkward arguments, and what it is called with.

    Args:
        layer: Its class.
        arguments: Of the constructor.
        shapes: Of the inputs; maps are (B, H, W, C), what has no batch is (rows, n).
        call: How it takes them.
        half: Whether it computes in 16 bits where it is told to.
    """

    layer: type
    arguments: dict
    shapes: tuple[tuple[int, ...], ...]
    call: Callable = lambda layer, x: layer(x)
    half: bool = True

    def make(self, **more):
        return self.layer(**{**self.arguments, **more})

    def tensors(self):
        rng = np.random.default_rng(0)
        return [tf.constant(rng.normal(size=s), tf.float32) for s in self.shapes]

    def inputs(self, known=False):
        def one(shape):
            if len(shape) == 2:
                return keras.Input(batch_shape=shape)
            return keras.Input(shape[1:] if known else (None, None, shape[-1]))

        return [one(shape) for shape in self.shapes]

    def model(self, layer, known=False):
        inputs = self.inputs(known)
        return keras.Model(inputs, self.call(layer, *inputs))

    def built(self, **more):
        """The layer, called once, with weights that are nobody's default."""
        layer = self.make(**more)
        self.call(layer, *self.tensors())
        rng = np.random.default_rng(1)
        for weight in layer.weights:
            weight.assign(rng.uniform(0.4, 1.3, weight.shape))
        return layer


_MAP = ((2, 6, 10, 5),)
_BOTTLENECK = {"filters": 5, "kernel_size": 3, "expansion": 2, "squeezed": 3}
_PER_PATCH = 14 * 7 + 14 * 9 + 3 * 14  # of a level of 7 -> 14 -> 3 channels
LAYERS = {
    "bottleneck": Case(MobileBottleneck, _BOTTLENECK, _MAP),
    "bottleneck, stride 2": Case(
        MobileBottleneck,
        {**_BOTTLENECK, "expansion": 1, "strides": 2, "borders": (0, 1)},
        _MAP,
    ),
    "pyramid pool": Case(PyramidPool, {"bins": 3}, ((2, 7, 5, 4),)),
    "pyramid spread": Case(
        PyramidSpread, {}, ((2, 3, 3, 4), (2, 7, 5, 2)), call=_list_of
    ),
    "batch norm": Case(BatchNorm, {"momentum": 0.7, "epsilon": 1e-4}, _MAP),
    "global context": Case(GlobalContext, {}, _MAP),
    "nearest": Case(NearestUpsample, {}, _MAP),
    "bilinear": Case(BilinearUpsample, {}, _MAP),
    "pad": Case(PadToMultiple, {"multiple": 24}, ((2, 33, 48, 3),)),
    "crop": Case(CropToImage, {}, ((2, 64, 64, 4), (2, 33, 50, 3)), call=_list_of),
    "fuse": Case(Fuse, {"positions": False}, ((2, 6, 10, 3), (2, 3, 5, 2)), _list_of),
    "fuse, one": Case(Fuse, {}, ((2, 6, 10, 3),), call=_list_of),
    "reflect": Case(ReflectPad, {"amount": 2}, _MAP),
    "weight head": Case(
        WeightHead,
        {
            "units": 7,
            "groups": 2,
            "offset": 1,
            "channels": 4,
            "fan_ins": ((3, 5), (4, 2)),
        },
        ((2, 3, 5, 6),),
        call=lambda layer, x: layer(x, return_kernel=True),
    ),
    "dynamic convolution": Case(
        DPWConv,
        {"filters": 4, "kernel_size": 3, "groups": 2, "padding": "zeros"},
        ((2, 6, 10, 2), (2, 3, 5, 4 * 9)),
        call=_list_of,
    ),
    "pointwise level": Case(
        Level,
        {"filters": 3, "start": 2, "groups": 2, "offset": 1, "positions": False},
        ((2, 6, 10, 4), (2, 3, 5, 3), (2, 3, 5, 24), (2, 3, 5, 7), (3, 24)),
        call=_level,
    ),
    "level": Case(
        Level,
        {"filters": 3, "kernel_size": 3, "halo": "neighbour", "padding": "zeros"},
        ((2, 6, 10, 3), (2, 3, 5, 2), (2, 3, 5, _PER_PATCH)),
        call=_list_of,
    ),
    "folded level": Case(
        Level,
        {"filters": 3, "kernel_size": 3, "folded": True, "expand_ratio": 2},
        ((2, 6, 10, 5), (2, 3, 5, _PER_PATCH)),
        call=_list_of,
    ),
}
OTHERS = {
    BootstrappedCrossEntropy: {"k": 5, "threshold": 0.2, "void": 9},
    ConfusionMatrix: {"num_classes": 3, "void": 7},
    PolyDecay: {"initial": 0.1, "power": 0.5, "steps": 9, "every": 2},
    HyperFanIn: {"fan_ins": ((2, 3), (1, 5)), "seed": 4},
}
CLASSES = {case.layer for case in LAYERS.values()} | {*OTHERS, HyperSeg}

each_layer = pytest.mark.parametrize("case", LAYERS.values(), ids=LAYERS)


def _registered():
    """(module, class) of every decorated class, read from the source."""
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef) and any(
                "register_keras_serializable" in ast.unparse(d)
                for d in node.decorator_list
            ):
                yield path.relative_to(ROOT.parent).with_suffix(""), node.name


def _plain(value):
    """Configs compare as files hold them: lists for tuples."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def _close(found, wanted, **tolerance):
    for one, other in zip(tf.nest.flatten(found), tf.nest.flatten(wanted), strict=True):
        np.testing.assert_allclose(
            tf.cast(one, "float32"), tf.cast(other, "float32"), **tolerance
        )


def _equal(found, wanted):
    _close(found, wanted, rtol=0, atol=0)


def test_every_registered_class_has_a_name_of_its_own_and_a_case():
    found = list(_registered())
    twice = [name for name, n in Counter(name for _, name in found).items() if n > 1]
    assert not twice, "Keras keeps the last of several classes of one name"
    for module in pkgutil.walk_packages([str(ROOT)], "hyperseg_tf."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    known = keras.saving.get_custom_objects()
    names = {key for key in known if key.startswith(PREFIX)}
    assert names == {f"{PREFIX}{name}" for _, name in found}
    assert {known[name] for name in names} == CLASSES


@pytest.mark.parametrize("kind", sorted(CLASSES, key=lambda c: c.__name__))
def test_the_config_has_every_parameter(kind):
    if kind is HyperSeg:
        one = HyperSeg(presets.get("hyperseg_tiny"))
    elif kind in OTHERS:
        one = kind(**OTHERS[kind])
    else:
        one = next(c for c in LAYERS.values() if c.layer is kind).make()
    given = inspect.signature(kind.__init__).parameters
    wanted = {
        name
        for name, parameter in given.items()
        if name != "self" and parameter.kind not in (2, 4)  # *args, **kwargs
    }
    assert wanted <= one.get_config().keys()


@each_layer
def test_the_config_is_the_same_after_build_and_in_a_copy(case):
    layer = case.make(name="one")
    before = layer.get_config()
    for name, value in case.arguments.items():
        assert _plain(before[name]) == _plain(value)
    case.call(layer, *case.tensors())
    assert layer.get_config() == before
    assert _plain(type(layer).from_config(before).get_config()) == _plain(before)


@each_layer
def test_a_copy_a_file_and_a_clone_compute_the_same(case, tmp_path):
    layer, tensors = case.built(), case.tensors()
    wanted = case.call(layer, *tensors)
    copy = type(layer).from_config(layer.get_config())
    case.call(copy, *tensors)
    copy.set_weights(layer.get_weights())
    _equal(case.call(copy, *tensors), wanted)
    model = case.model(layer)
    _equal(model(tensors), wanted)
    model.save(tmp_path / "model.keras")
    _equal(keras.models.load_model(tmp_path / "model.keras")(tensors), wanted)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    _equal(clone(tensors), wanted)


@each_layer
def test_symbolic_shapes_are_those_of_a_call(case):
    shapes = [y.shape for y in tf.nest.flatten(case.call(case.make(), *case.tensors()))]
    for known in (False, True):
        symbolic = tf.nest.flatten(case.call(case.make(), *case.inputs(known)))
        for shape, want in zip((y.shape for y in symbolic), shapes, strict=True):
            assert len(shape) == len(want)
            if known:
                assert tuple(shape[1:]) == tuple(want[1:])
            for side, real in zip(shape, want, strict=True):
                assert side in (None, real)
            assert shape[-1] == want[-1]


@each_layer
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_in_16_bits_a_layer_computes_the_same_but_for_rounding(case, dtype):
    layer, tensors = case.built(), case.tensors()
    wanted = case.call(layer, *tensors)
    short = case.make(dtype=f"mixed_{dtype}")
    case.call(short, *tensors)
    short.set_weights(layer.get_weights())
    found = case.call(short, *tensors)
    for y, want in zip(tf.nest.flatten(found), tf.nest.flatten(wanted), strict=True):
        assert y.dtype == dtype
        scale = float(tf.reduce_max(tf.abs(want)))
        rounding = 2**-5 if dtype == "bfloat16" else 2**-8
        _close(y, want, rtol=0, atol=rounding * scale)


@pytest.mark.parametrize("kind", OTHERS, ids=lambda kind: kind.__name__)
def test_what_is_no_layer_survives_its_config(kind):
    one = kind(**OTHERS[kind])
    config = one.get_config()
    assert {name: config[name] for name in OTHERS[kind]} == OTHERS[kind]
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(one)
    )
    assert type(copy) is kind and _plain(copy.get_config()) == _plain(config)
    labels = np.array([[[0, 1, 2], [2, 1, 0]]])
    logits = np.random.default_rng(0).normal(size=(1, 2, 3, 3)).astype("float32")
    values = {
        BootstrappedCrossEntropy: lambda x: x(labels, logits),
        ConfusionMatrix: lambda x: x(labels, logits),
        PolyDecay: lambda x: [x(step) for step in range(11)],
        HyperFanIn: lambda x: x((2, 5)),
    }[kind]
    _equal(values(copy), values(one))


@pytest.mark.parametrize("folded", [False, True])
def test_the_model_is_the_same_in_a_copy_a_file_and_a_clone(folded, tmp_path):
    keras.utils.set_random_seed(0)
    model = HyperSeg(
        presets.get("hyperseg_tiny"), "slices", folded, {"classes": ["a"]}, name="mine"
    )
    images = np.random.default_rng(0).normal(size=(1, 40, 33, 3)).astype("float32")
    wanted = model(images)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    copy = HyperSeg.from_config(model.get_config())
    # Keras makes a plain functional model of the clone, whatever the class is.
    clone = keras.models.clone_model(model)
    for other in (copy, clone):
        other.set_weights(model.get_weights())
    for other in (copy, loaded):
        assert type(other) is HyperSeg
        assert _plain(other.get_config()) == _plain(model.get_config())
    for other in (copy, clone, loaded):
        _equal(other(images), wanted)


def test_taps_survive_a_file(tmp_path):
    keras.utils.set_random_seed(0)
    taps = HyperSeg(presets.get("hyperseg_tiny"), implementation="slices").taps()
    images = np.random.default_rng(0).normal(size=(1, 40, 33, 3)).astype("float32")
    taps.save(tmp_path / "taps.keras")
    loaded = keras.models.load_model(tmp_path / "taps.keras")
    found, wanted = loaded(images), taps(images)
    assert found.keys() == wanted.keys()
    _equal(found, wanted)


@pytest.mark.parametrize("form", presets.CONTEXT_HEADS)
def test_parts_of_the_network_survive_their_config(form):
    keras.utils.set_random_seed(0)
    for part, shape in (
        (context_head.build(8, 3, form), (2, 4, 8, 8)),
        (backbones.build("efficientnet-tiny", "same", (1.0,) * 5), (1, 64, 32, 3)),
    ):
        x = np.random.default_rng(0).normal(size=shape).astype("float32")
        copy = keras.Model.from_config(part.get_config())
        copy.set_weights(part.get_weights())
        _equal(copy(x), part(x))
