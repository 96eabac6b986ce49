"""Every class that Keras finds by its name, walked, so that none can be forgotten.

Keras saves a class as its registered name and its config. A name that two classes
share, or an argument the config forgets, loads without an error and answers wrongly.
A registered class without an entry in `tests/registered_cases.py` fails here.
"""

import ast
import functools
import importlib
import inspect
import pkgutil
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import hyperseg_tf
from tests.calibrated import pictures
from tests.registered_cases import LAYERS, OTHERS

PREFIX = "hyperseg_tf>"
# Largest error over largest value; bfloat16 has 8 bits, float16 11.
HALVES = {
    "mixed_float16": 1e-2,
    "mixed_bfloat16": 6e-2,
    "float16": 1e-2,
    "bfloat16": 6e-2,
}


CASES = [
    pytest.param(
        name,
        kind,
        id=f"{name}-{kind}" if kind else name,
        marks=[pytest.mark.slow] if LAYERS[name][kind].slow else [],
    )
    for name, kinds in LAYERS.items()
    for kind in kinds
]
layer_cases = pytest.mark.parametrize(("name", "kind"), CASES)


def _modules():
    for found in pkgutil.walk_packages(hyperseg_tf.__path__, "hyperseg_tf."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


MODULES = list(_modules())
CLASSES = {
    name.removeprefix(PREFIX): cls
    for name, cls in keras.saving.get_custom_objects().items()
    if name.startswith(PREFIX)
}


def _registered_in_source() -> Counter:
    """How often each name is registered, as written in the files."""
    names = Counter()
    for path in Path(hyperseg_tf.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            for decorator in getattr(node, "decorator_list", ()):
                if "register_keras_serializable" in ast.unparse(decorator):
                    package, *name = (value.value for value in decorator.args)
                    names[f"{package}>{name[0] if name else node.name}"] += 1
    return names


def test_no_two_classes_are_registered_under_one_name():
    names = _registered_in_source()
    assert {name: count for name, count in names.items() if count > 1} == {}
    assert set(names) == {PREFIX + name for name in CLASSES}


def test_every_registered_class_has_a_case():
    assert set(CLASSES) == set(LAYERS) | set(OTHERS)


def test_every_layer_is_registered():
    layers = {
        value
        for module in MODULES
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, keras.layers.Layer)
        and value.__module__.startswith("hyperseg_tf.")
    }
    # A model for training is never saved: the HyperSeg in it is.
    never_saved = {cls for cls in layers if issubclass(cls, keras.Model)}
    never_saved -= {CLASSES["HyperSeg"]}
    assert layers - never_saved <= set(CLASSES.values())


@pytest.mark.parametrize("name", CLASSES)
def test_configs_hold_every_argument_as_given(name):
    cls = CLASSES[name]
    if name in LAYERS:
        cases = [case.arguments for case in LAYERS[name].values()]
    else:
        cases = [OTHERS[name][0]]
    configs = [cls(**arguments).get_config() for arguments in cases]
    own = {}
    if cls.__init__ is not keras.layers.Layer.__init__:
        own = dict(inspect.signature(cls.__init__).parameters)
    own = {
        key: value
        for key, value in own.items()
        if key != "self" and value.kind is not inspect.Parameter.VAR_KEYWORD
    }
    assert set(own) <= set(configs[0])
    for arguments, config in zip(cases, configs, strict=True):
        assert {key: config[key] for key in arguments} == arguments
    if "__init__" in vars(cls):
        # Else a config that always gives the default would pass.
        untried = {
            key
            for key, parameter in own.items()
            if key not in ("name", "dtype")
            and all(
                case.get(key, parameter.default) == parameter.default for case in cases
            )
        }
        assert untried == set()


@layer_cases
def test_copies_have_the_config_and_give_equal_outputs(name, kind, tmp_path):
    layer, values, expected, config = _random(name, kind)
    call = LAYERS[name][kind].call
    assert layer.get_config() == config, "built, and not built"
    copy = type(layer).from_config(config)
    assert copy.get_config() == config
    call(copy, values)
    assert copy.get_config() == config
    copy.set_weights(layer.get_weights())
    _assert_equal(call(copy, values), expected)

    inputs = _inputs(name, kind, free=True)
    model = keras.Model(inputs, call(layer, inputs))
    _assert_equal(model(values), expected)
    model.save(tmp_path / "model.keras")
    _assert_equal(keras.models.load_model(tmp_path / "model.keras")(values), expected)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    _assert_equal(clone(values), expected)


@layer_cases
def test_symbolic_shapes_and_types_are_those_of_a_call(name, kind):
    layer, values, expected, _ = _random(name, kind)
    call = LAYERS[name][kind].call
    free_inputs = _inputs(name, kind, free=True)
    for real, fixed, free in zip(
        _flat(expected),
        _flat(call(layer, _inputs(name, kind))),
        _flat(call(layer, free_inputs)),
        strict=True,
    ):
        assert tuple(fixed.shape) == tuple(real.shape)
        assert free.shape[-1] == real.shape[-1]
        for side, found in zip(free.shape, real.shape, strict=True):
            assert side in (None, found)
        assert fixed.dtype == free.dtype == keras.backend.standardize_dtype(real.dtype)
    graph = tf.function(
        lambda *tensors: call(layer, list(tensors)),
        input_signature=[tf.TensorSpec(x.shape, x.dtype) for x in free_inputs],
    )
    for found, real in zip(_flat(graph(*values)), _flat(expected), strict=True):
        assert found.shape == real.shape
        _assert_close(found, real, 1e-4)


@pytest.mark.parametrize("policy", HALVES)
@pytest.mark.parametrize(
    ("name", "kind"),
    [case for case in CASES if not LAYERS[case.values[0]][case.values[1]].no_half],
)
def test_half_precision_gives_its_type_and_nearly_the_same_values(name, kind, policy):
    layer, values, expected, _ = _random(name, kind)
    call = LAYERS[name][kind].call
    half = type(layer).from_config({**layer.get_config(), "dtype": policy})
    symbols = call(half, _inputs(name, kind))
    half.set_weights(layer.get_weights())
    for real, symbol, found in zip(
        _flat(expected), _flat(symbols), _flat(call(half, values)), strict=True
    ):
        assert symbol.dtype == half.compute_dtype
        assert keras.backend.standardize_dtype(found.dtype) == half.compute_dtype
        _assert_close(found, real, HALVES[policy])


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_whole_model_in_mixed_precision_gives_float32_logits(model, policy):
    images = pictures(2, 33, 50)
    expected = model(images)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        # One by the custom ops where there are any, and one without them.
        halves = model.fold("auto"), model.with_implementation("slices")
    finally:
        keras.config.set_dtype_policy(before)
    for half in halves:
        logits = half(images)
        assert logits.dtype == expected.dtype == "float32"
        _assert_close(logits, expected, HALVES[policy])
    trained = half(images, training=True)
    assert trained.dtype == "float32"
    assert np.isfinite(trained).all()
    assert all(np.isfinite(weight).all() for weight in half.weights)


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_layer_keeps_its_values_through_its_config(name):
    arguments, values = OTHERS[name]
    made = CLASSES[name](**arguments)
    config = made.get_config()
    expected = np.asarray(values(made))
    assert made.get_config() == config
    copy = type(made).from_config(config)
    assert copy.get_config() == config
    np.testing.assert_array_equal(values(copy), expected)
    saved = keras.saving.serialize_keras_object(made)
    copy = keras.saving.deserialize_keras_object(saved)
    assert type(copy) is type(made)
    np.testing.assert_array_equal(values(copy), expected)


@pytest.fixture(scope="module")
def model():
    return _random("HyperSeg", "")[0]


def test_a_context_head_rebuilt_from_its_config_gives_the_same_signal(model):
    head = model.get_layer("context_head")
    copy = keras.Model.from_config(head.get_config())
    copy.set_weights(head.get_weights())
    x = np.random.default_rng(2).normal(size=(2, 4, 6, head.inputs[0].shape[-1]))
    np.testing.assert_array_equal(copy(x), head(x))


@pytest.mark.slow
def test_taps_saved_and_loaded_give_every_tensor_as_before(model, tmp_path):
    taps = model.taps()
    taps.save(tmp_path / "taps.keras")
    loaded = keras.models.load_model(tmp_path / "taps.keras")
    images = pictures(1, 70, 100)
    expected, found = taps(images), loaded(images)
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, name)


@functools.cache
def _random(name, kind):
    """A layer with random weights, inputs, its outputs, its config before all."""
    case = LAYERS[name][kind]
    layer = CLASSES[name](**case.arguments)
    config = layer.get_config()
    rng = np.random.default_rng(0)
    values = [rng.normal(size=shape).astype("float32") for shape in case.shapes]
    case.call(layer, values)
    for weight in layer.weights:
        size = weight.shape
        if "moving_variance" in weight.path:
            weight.assign(rng.uniform(0.5, 2.0, size))
        else:
            fan_in = max(np.prod(size[:-1]), 1)
            weight.assign(rng.normal(size=size) / np.sqrt(fan_in))
        if "weights_" in weight.path:
            # Weaker generated kernels: rounding errors multiply level by level.
            weight.assign(0.3 * weight)
    return layer, values, case.call(layer, values), config


def _inputs(name, kind, free=False):
    """Symbolic inputs; `free` leaves batch, height and width of maps unknown."""
    case = LAYERS[name][kind]
    shapes = list(case.shapes)
    if free:
        for i, shape in enumerate(shapes):
            # Two dimensions are those of a learned kernel.
            if len(shape) == 4:
                sides = shape[1:3] if i in case.known else (None, None)
                shapes[i] = (None, *sides, shape[-1])
    return [keras.Input(batch_shape=shape) for shape in shapes]


_flat = keras.tree.flatten


def _assert_equal(found, expected):
    for one, other in zip(_flat(found), _flat(expected), strict=True):
        np.testing.assert_array_equal(one, other)


def _assert_close(found, expected, tolerance):
    """Largest error over largest value."""
    found, expected = (np.asarray(tf.cast(x, "float32")) for x in (found, expected))
    error = np.abs(found - expected).max() / np.abs(expected).max()
    assert error <= tolerance
