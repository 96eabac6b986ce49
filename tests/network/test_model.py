import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import hyperseg_tf
from hyperseg_tf import HyperSeg, presets
from hyperseg_tf.convert.released import entries as released
from hyperseg_tf.inference.averaging import mirrored
from tests.golden import arrays, golden_dir, load_recipe, state_dict
from tests.layouts import nchw, nhwc

# Our preset of each reference model, and its trainable parameters.
MODELS = {
    "camvid_hyperseg_s": ("hyperseg_s_camvid", 9_949_064),
    "camvid_hyperseg_l": ("hyperseg_l_camvid", 9_969_104),
    "cityscapes_hyperseg_m": ("hyperseg_m_cityscapes", 10_311_214),
    "cityscapes_hyperseg_s": ("hyperseg_s_cityscapes", 10_041_398),
    "vocsbd_hyperseg_l": ("hyperseg_l_voc", 39_680_458),
}
# The kernels on one; the other models and forms are slow. XLA compiles every level of
# every model anew: one of them, and the others where all is tried.
RUNS = [("camvid_hyperseg_s", "fused")]
REST = [
    ("vocsbd_hyperseg_l", "slices"),
    *(
        (name, implementation)
        for name in MODELS
        for implementation in ("einsum", "xla", "fused")
        if (name, implementation) not in RUNS
    ),
]
_GRID = [run for run in REST if "xla" in run and "camvid_hyperseg_s" not in run]


def _run(run):
    marks = [pytest.mark.slow] if run in REST else []
    marks = [pytest.mark.grid] if run in _GRID else marks
    marks += [pytest.mark.ops] if "fused" in run else []
    return pytest.param(*run, marks=marks)


@pytest.fixture(scope="module")
def reference_model():
    """Build a published model with the redrawn reference weights, once each."""
    kept = {}

    def build(name, implementation="einsum"):
        if name not in kept:
            kept.clear()  # one model's worth of memory is enough
            model = hyperseg_tf.HyperSeg.from_preset(
                MODELS[name][0], backbone_padding="static", implementation="einsum"
            )
            released.assign(model, state_dict(name))
            kept[name] = model
        model = kept[name]
        if implementation != "einsum":
            model = model.with_implementation(implementation)
        return model

    return build


def _check(found, gold, key):
    """Largest and mean difference, relative to the largest value, as README allows."""
    if key in gold.files:
        want = gold[key]
    else:
        want, found = gold[f"{key}_stride3"], found[:, :, ::3, ::3]
    scale = np.abs(want).max()
    difference = np.abs(found - want)
    assert difference.max() <= 2e-4 * scale, key
    assert difference.mean() <= 5e-6 * scale, key


def _check_weights(found, gold, key):
    sample = found.reshape(-1)[:: int(gold[f"{key}_sample_step"])]
    want = gold[f"{key}_sample"]
    assert tuple(gold[f"{key}_shape"]) == found.shape
    assert np.abs(sample - want).max() <= 2e-4 * np.abs(want).max(), key
    means = gold[f"{key}_per_parameter_mean"]
    scale = gold[f"{key}_mean_std_absmax"][2]
    assert np.abs(found.mean((0, 2, 3)) - means).max() <= 2e-4 * scale, key


@pytest.mark.parametrize(
    ("name", "implementation"),
    [_run(run) for run in (*RUNS, *REST)],
)
def test_every_tensor_matches_the_reference(reference_model, name, implementation):
    gold = arrays(name)
    model = reference_model(name, implementation)
    taps = model.taps()
    for case in "ab":
        images = nhwc(gold[f"{case}/image"])
        checked = 0
        for tap, value in taps(images, training=False).items():
            key, value = f"{case}/{tap}", nchw(value)
            if f"{key}_sample" in gold.files:
                _check_weights(value, gold, key)
            elif {key, f"{key}_stride3"} & set(gold.files):
                _check(value, gold, key)
            else:
                continue
            checked += 1
        assert checked == (8 + 2 * len(model.preset.kernel_sizes) - (
            model.preset.shared_levels - 1
        ) if case == "a" else 2)  # fmt: skip
        _check_flip_and_argmax(model, gold, case, images)


@pytest.mark.parametrize(
    ("name", "implementation"),
    [
        pytest.param(
            name,
            implementation,
            # One shows that a graph compiles; the compiler takes its time with others.
            marks=pytest.mark.grid
            if (name, implementation) in _GRID
            else pytest.mark.slow,
        )
        for name in MODELS
        for implementation in ("einsum", "xla")
    ],
)
def test_saved_models_match_the_reference_in_graphs(
    reference_model, name, implementation, tmp_path
):
    gold = arrays(name)
    reference_model(name, implementation).save(tmp_path / "model.keras")
    model = hyperseg_tf.load(tmp_path / "model.keras")
    free = tf.TensorSpec((None, None, None, 3))
    graph = tf.function(lambda x: model(x, training=False), input_signature=[free])
    for case in "ab":
        _check(nchw(graph(nhwc(gold[f"{case}/image"]))), gold, f"{case}/logits")


def _check_flip_and_argmax(model, gold, case, images):
    passes = []
    both = mirrored(lambda x: passes.append(model(x)) or passes[-1], images, "max")
    both, logits = np.asarray(both), np.asarray(passes[0])
    _check(nchw(both), gold, f"{case}/logits_flip_max")
    wrong = logits.argmax(-1) != gold[f"{case}/argmax"]
    top = np.sort(logits, axis=-1)
    margin = top[..., -1] - top[..., -2]
    assert margin[wrong].max(initial=0) <= 4e-4 * np.abs(logits).max()
    assert wrong.sum() <= 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "parameters"),
    MODELS.values(),
)
def test_parameter_counts_are_the_published_ones(name, parameters):
    spec = {ours: theirs for theirs, (ours, _) in MODELS.items()}[name]
    file = json.loads((golden_dir() / "specs" / f"{spec}.json").read_text())
    assert file["trainable_parameters"] == parameters
    model = hyperseg_tf.HyperSeg.from_preset(name)
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == parameters


def test_the_redrawn_weights_are_those_of_the_reference():
    recipe = load_recipe()
    path = golden_dir() / "specs" / "camvid_hyperseg_s.json"
    weights = recipe.official_state_dict(recipe.load_spec(path))
    total = sum(np.abs(w.astype("float64")).sum() for w in weights.values())
    want = json.loads(path.read_text())["state_dict_abs_sum"]
    np.testing.assert_allclose(total, want, rtol=1e-9)


@pytest.fixture(scope="module")
def tiny():
    keras.utils.set_random_seed(0)
    return hyperseg_tf.HyperSeg.from_preset("hyperseg_tiny", num_classes=5)


@pytest.fixture(scope="module")
def tiny_with(tiny):
    """The tiny model by implementation, each built once."""
    return functools.cache(tiny.with_implementation)


SHAPES = [(1, 32, 32), (3, 64, 33), (2, 97, 131)]


@pytest.mark.parametrize(
    ("shape", "implementation"),
    [
        # XLA compiles every level again for every size.
        pytest.param(SHAPES[0], "xla", marks=pytest.mark.slow),
        *(pytest.param(s, "xla", marks=pytest.mark.grid) for s in SHAPES[1:3]),
        *(pytest.param(s, "einsum", marks=pytest.mark.slow) for s in SHAPES[:2]),
        (SHAPES[2], "einsum"),
        *(pytest.param(s, "slices", marks=pytest.mark.slow) for s in SHAPES),
        *(pytest.param(s, "fused", marks=pytest.mark.ops) for s in SHAPES),
    ],
)
def test_any_size_from_32_and_any_batch_work(tiny_with, implementation, shape):
    model = tiny_with(implementation)
    images = np.random.default_rng(0).normal(size=(*shape, 3)).astype("float32")
    logits = np.asarray(model(images))
    assert logits.shape == (*shape, 5)
    # Padding by hand gives the same: 0 at the bottom and on the right.
    pads = [(0, 0), *((0, -side % 64) for side in shape[1:]), (0, 0)]
    padded = np.asarray(model(np.pad(images, pads)))
    np.testing.assert_array_equal(logits, padded[:, : shape[1], : shape[2]])


@pytest.mark.slow
def test_a_free_size_graph_takes_every_size(tiny):
    free = tf.TensorSpec((None, None, None, 3))
    graph = tf.function(lambda x: tiny(x, training=False), input_signature=[free])
    rng = np.random.default_rng(1)
    for shape in ((1, 32, 32, 3), (2, 65, 100, 3)):
        images = rng.normal(size=shape).astype("float32")
        np.testing.assert_allclose(graph(images), tiny(images), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_an_image_does_not_depend_on_its_batch(tiny):
    images = np.random.default_rng(2).normal(size=(3, 40, 70, 3)).astype("float32")
    together = np.asarray(tiny(images))
    for i in range(3):
        alone = np.asarray(tiny(images[i : i + 1]))
        np.testing.assert_allclose(together[i : i + 1], alone, rtol=1e-4, atol=1e-5)


def test_too_small_images_are_refused(tiny):
    with pytest.raises(ValueError, match="at least 32x32 pixels: got 31x64"):
        tiny(np.zeros((1, 31, 64, 3), "float32"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hyperseg_tiny", "hyperseg_s_camvid"])
def test_saving_and_loading_keeps_logits_bit_for_bit(tmp_path, name):
    model = hyperseg_tf.HyperSeg.from_preset(name)
    classes = [f"class {i}" for i in range(model.preset.num_classes)]
    model.set_metadata({"classes": classes})
    images = np.random.default_rng(3).normal(size=(2, 64, 96, 3)).astype("float32")
    model.save(tmp_path / "model.keras")
    loaded = hyperseg_tf.load(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(images), model(images))
    assert loaded.preset == model.preset
    assert loaded.metadata == {"classes": classes}


@pytest.mark.slow
def test_every_variable_gets_a_gradient(tiny):
    images = np.random.default_rng(4).normal(size=(2, 64, 64, 3)).astype("float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tiny(images, training=True) ** 2)
    gradients = tape.gradient(loss, [v.value for v in tiny.trainable_variables])
    for variable, gradient in zip(tiny.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(gradient).all(), variable.path


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ValueError, match="they are .*hyperseg_s_camvid"):
        hyperseg_tf.HyperSeg.from_preset("unet")
    with pytest.raises(ValueError, match="did you mean hyperseg_s_camvid"):
        hyperseg_tf.HyperSeg.from_preset("HyperSeg-S-CamVid")
    with pytest.raises(ValueError, match="implementation must be one of"):
        hyperseg_tf.HyperSeg.from_preset("hyperseg_tiny", implementation="fast")
    with pytest.raises(ValueError, match="known are .*efficientnet-b1"):
        hyperseg_tf.HyperSeg.from_preset("hyperseg_tiny", backbone="vgg")


@pytest.mark.slow
def test_the_backbone_is_a_model_that_can_be_frozen():
    model = HyperSeg.from_preset("hyperseg_tiny", num_classes=3)
    before = len(model.trainable_weights)
    model.backbone.trainable = False
    assert [f.shape[-1] for f in model.backbone.outputs[:-1]] == [
        dict(model._taps)[f"feature_{i}"].shape[-1] for i in range(1, 6)
    ]
    assert 0 < len(model.trainable_weights) < before
    assert not model.backbone.trainable_weights


def test_wrong_arguments_say_what_was_meant(tmp_path):
    tiny = presets.get("hyperseg_tiny")
    for build, said in (
        (lambda: HyperSeg("hyperseg_tiny"), r"HyperSeg.from_preset\('hyperseg_tiny'\)"),
        (lambda: HyperSeg("hyperseg_tinny"), "did you mean hyperseg_tiny"),
        (lambda: HyperSeg(3), "takes a Preset: got int"),
        (lambda: HyperSeg(tiny, nam="a"), "no argument 'nam'; did you mean name?"),
        (
            lambda: HyperSeg.from_preset("hyperseg_tiny", num_clases=3),
            "no argument 'num_clases'; did you mean num_classes?",
        ),
    ):
        with pytest.raises(ValueError, match=said):
            build()


@pytest.mark.slow
def test_h5_is_refused_when_it_is_saved(tmp_path):
    model = HyperSeg.from_preset("hyperseg_tiny", num_classes=3)
    for name in ("a.h5", "a.HDF5"):
        with pytest.raises(ValueError, match=r"saved as a \.keras file"):
            model.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_first_fit_says_that_it_traces(monkeypatch, capsys):
    fitted = []
    monkeypatch.setattr(keras.Model, "fit", lambda *a, **k: fitted.append((a, k)))
    model = HyperSeg.from_preset("hyperseg_tiny", num_classes=3)
    images = np.zeros((1, 32, 32, 3), "float32")
    model.fit(images, verbose=0)
    assert capsys.readouterr().err == ""
    model.fit(x=images, epochs=2)
    assert "tracing the first step" in capsys.readouterr().err
    model.train_function = "traced"
    model.fit(images)
    assert capsys.readouterr().err == ""
    assert fitted[1] == ((model,), {"x": images, "epochs": 2})
