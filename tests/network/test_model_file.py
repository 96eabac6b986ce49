"""One door for models from files: what is ours loads, nothing else is even built."""

import ast
import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import hyperseg_tf
from hyperseg_tf import HyperSeg, UserError
from hyperseg_tf.network.model_file import check_complete, read_preset, restore
from tests.hostile import models
from tests.hostile.case import OUTSIDE, REFUSED

IMAGES = np.random.default_rng(0).normal(size=(1, 40, 33, 3)).astype("float32")

# Those that cost a second each; all of them stand in `make attack`.
DEAR = ("flip", "bomb", "70,000", "groups", "40 GB", "inf", "variance", "other shape")
DEAR += ("integers", "unsigned", "scalar", "array group")


_LOADERS = ("load_model", "deserialize_keras_object", "TFSMLayer", "unsafe_load")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    keras.utils.set_random_seed(0)
    model = HyperSeg.from_preset("hyperseg_tiny")
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    model.save(path)
    return model, path


@pytest.fixture(scope="module")
def cases(saved):
    return tuple(models.cases(saved[1].read_bytes()))


@pytest.mark.slow
def test_every_level_at_which_a_file_can_lie_is_refused(cases, tmp_path):
    """By one line with its path."""
    refused = [
        case
        for case in cases
        if case.outcome == REFUSED and not any(word in case.name for word in DEAR)
    ]
    # Of the many of a kind every third.
    many = ("preset ", "metadata ")
    chosen = [c for c in refused if not c.name.startswith(many)]
    chosen += [c for c in refused if c.name.startswith(many)][::3]
    assert len(chosen) > 120
    (tmp_path / OUTSIDE).mkdir()
    for case in chosen:
        path = tmp_path / "model.keras"
        case.write(path)
        with pytest.raises(UserError) as caught:
            hyperseg_tf.load(path)
        message = str(caught.value)
        assert str(path) in message, case.name
        assert message.isprintable() and len(message) < 1500, case.name
        _remove(path)


def _remove(path):
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


@pytest.mark.slow
def test_a_run_is_its_model_whose_config_keras_never_sees(saved, monkeypatch):
    """No function of Keras that makes objects from data is called on the way."""
    called = []
    for place in (
        "keras.saving.load_model",
        "keras.models.load_model",
        "keras.src.saving.saving_lib.load_model",
        "keras.src.saving.saving_lib.deserialize_keras_object",
    ):
        monkeypatch.setattr(place, lambda *a, **k: called.append(a))
    model, path = saved
    # The folder of a run stands for its model.
    found = hyperseg_tf.load(path.parent)
    assert not called
    np.testing.assert_array_equal(found(IMAGES), model(IMAGES))


def test_no_module_lets_keras_build_what_a_file_names():
    root = Path(hyperseg_tf.__file__).parents[1]
    for folder in ("hyperseg_tf", "pipelines", "recipes", "examples"):
        for path in (root / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                name = getattr(node, "attr", getattr(node, "id", None))
                assert name not in _LOADERS, f"{path}: {name}"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lambda in metadata", "lambda in compile_config"])
def test_what_is_not_read_does_no_harm(saved, cases, tmp_path, name):
    (case,) = (case for case in cases if case.name == name)
    case.write(tmp_path / "model.keras")
    found = hyperseg_tf.load(tmp_path / "model.keras")
    np.testing.assert_array_equal(found(IMAGES), saved[0](IMAGES))


@pytest.mark.slow
def test_a_file_repacked_by_other_tools_loads(saved, tmp_path):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(saved[1]) as old:
        members = {name: old.read(name) for name in old.namelist()}
    path.write_bytes(models.packed(members, zipfile.ZIP_DEFLATED))
    found = hyperseg_tf.load(path)
    np.testing.assert_array_equal(found(IMAGES), saved[0](IMAGES))


def test_other_models_of_keras_are_named(tmp_path):
    path = tmp_path / "other.keras"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]).save(path)
    with pytest.raises(UserError, match="holds a 'keras' 'Sequential', not a HyperSeg"):
        hyperseg_tf.load(path)


@pytest.mark.slow
def test_the_preset_is_read_without_the_weights(saved, tmp_path):
    model, path = saved
    assert read_preset(path) == model.preset
    with zipfile.ZipFile(tmp_path / "bare.keras", "w") as bare:
        with zipfile.ZipFile(path) as whole:
            bare.writestr("config.json", whole.read("config.json"))
    assert read_preset(tmp_path / "bare.keras") == model.preset
    with pytest.raises(UserError, match="it has no model.weights.h5"):
        hyperseg_tf.load(tmp_path / "bare.keras")
    with pytest.raises(UserError, match="it has no model.weights.h5"):
        check_complete(tmp_path / "bare.keras")


def _trained():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def test_restoring_sets_weights_and_optimizer(tmp_path):
    saved, other = _trained(), _trained()
    saved.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    saved.save(tmp_path / "latest.keras")
    restore(other, tmp_path / "latest.keras")
    for a, b in zip(
        [*saved.weights, *saved.optimizer.variables],
        [*other.weights, *other.optimizer.variables],
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (lambda m: m.weights[0].assign(m.weights[0] * np.nan), "not finite"),
        (lambda m: m.optimizer.variables[-1].assign([np.inf] * 2), "not finite"),
    ],
)
def test_states_that_are_not_finite_are_not_restored(tmp_path, spoil, rule):
    saved = _trained()
    spoil(saved)
    saved.save(tmp_path / "latest.keras")
    with pytest.raises(UserError, match=rule):
        restore(_trained(), tmp_path / "latest.keras")


def test_states_of_another_network_or_optimizer_are_not_restored(tmp_path):
    saved = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    saved.save(tmp_path / "latest.keras")
    with pytest.raises(UserError, match="the model has 1 arrays of shape"):
        restore(_trained(), tmp_path / "latest.keras")
    bare = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    bare.save(tmp_path / "latest.keras")
    with pytest.raises(UserError, match="the optimizer has"):
        restore(_trained(), tmp_path / "latest.keras")


def test_metadata_follow_the_rules_in_python_too(saved):
    model = saved[0]
    for metadata, rule in (
        ({"classes": ["a"]}, "a model of 11 classes has 11 names"),
        ({"classes": ["\x1b[2J"] * 11}, "short printable name"),
        ({"colours": [[0, 0, 300]] * 11}, "red, green, blue of 0..255"),
        ({"x": object()}, "values of JSON"),
        ({"x": "y" * 10**7}, "1000000 bytes at most"),
    ):
        before = model.metadata
        with pytest.raises(ValueError, match=rule):
            model.set_metadata(metadata)
        assert model.metadata == before
    model.set_metadata({"classes": [*"abcdefghijk"], "colours": [None] * 11})
    assert json.dumps(model.metadata)
