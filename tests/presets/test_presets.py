import json
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hyperseg_tf import HyperSeg, load, presets
from hyperseg_tf.network.backbones import NAMES, signal_source_channels
from hyperseg_tf.presets import Preset
from hyperseg_tf.presets.ablations import ABLATIONS
from hyperseg_tf.presets.lite import LITE
from hyperseg_tf.presets.paper import FIGURES
from hyperseg_tf.presets.published import PAPER, PUBLISHED
from tests.calibrated import calibrate, pictures

# Small ones of every family; the heads of the larger ResNets alone take seconds.
_BACKBONES = ("efficientnet-tiny", "efficientnet-b0", "resnet18", "pspnet18")


@st.composite
def _random_presets(draw):
    levels = draw(st.sampled_from((5, 6)))
    dynamic = draw(st.integers(0, 4)) > 0
    backbone = draw(st.sampled_from(_BACKBONES))
    shared = draw(st.integers(1, 2)) if dynamic else 1
    heads = levels - shared + 1 if dynamic else 0
    context_levels = draw(st.integers(0, 2))
    halo = draw(st.sampled_from(presets.HALOS))
    return Preset(
        name="random",
        num_classes=draw(st.integers(1, 30)),
        image_size=(64, 64),
        backbone=backbone,
        backbone_padding=draw(
            st.sampled_from(
                ("same", "static") if backbone.startswith("eff") else ("same",)
            )
        ),
        reductions=tuple(
            draw(st.lists(st.sampled_from((0.25, 0.5, 1.0)), min_size=5, max_size=5))
        ),
        kernel_sizes=tuple(
            draw(st.lists(st.sampled_from((1, 3, 5)), min_size=levels, max_size=levels))
        ),
        level_channels=tuple(
            draw(st.lists(st.integers(1, 20), min_size=levels - 1, max_size=levels - 1))
        ),
        weight_groups=tuple(
            draw(st.lists(st.sampled_from((1, 4, 16)), min_size=heads, max_size=heads))
        ),
        shared_levels=shared,
        overlapping_slices=draw(st.booleans()),
        context_levels=context_levels,
        context_head=draw(st.sampled_from(presets.CONTEXT_HEADS)),
        halo=halo,
        expand_ratio=draw(st.integers(1, 3)),
        positions=draw(st.booleans()),
        patch_size=draw(st.sampled_from((32, 64, None))) if dynamic else 32,
        dynamic=dynamic,
    )


_FIXED = settings(
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),  # a failure is shown, not shrunk
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.slow
@settings(_FIXED, max_examples=5)
@given(_random_presets())
def test_random_presets_build_run_save_fold_and_learn(tmp_path_factory, preset):
    _check(tmp_path_factory, preset)


@pytest.mark.grid
@settings(_FIXED, max_examples=15)
@given(_random_presets())
def test_many_random_presets(tmp_path_factory, preset):
    _check(tmp_path_factory, preset)


def _check(tmp_path_factory, preset):
    # A 5x5 kernel reflects two pixels: the coarsest map must have three of each.
    size = (1, 96, 130, 3)
    keras.utils.set_random_seed(0)
    model = HyperSeg(preset, implementation="slices")
    pair = pictures(2, *size[1:3])
    calibrate(model, pair)
    images = pair[:1]
    logits = np.asarray(model(images))
    assert logits.shape == (*size[:3], preset.num_classes)
    assert np.isfinite(logits).all()

    path = tmp_path_factory.mktemp("random") / "model.keras"
    model.save(path)
    loaded = load(path)
    assert loaded.preset == preset
    np.testing.assert_array_equal(loaded(images), logits)

    folded = np.asarray(model.fold()(images))
    # Statistics of two images amplify rounding; test_fold.py is strict.
    assert np.abs(folded - logits).max() <= 1e-3 * np.abs(logits).max()

    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(pair, training=True) ** 2)
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(gradient).all(), variable.path


def test_presets_survive_json():
    for preset in presets.PRESETS.values():
        fields = json.loads(json.dumps(preset.to_dict()))
        assert Preset.from_dict(fields) == preset


def test_names_are_unique_and_only_the_small_one_has_no_figures():
    named = [*PUBLISHED, *PAPER, *ABLATIONS]
    assert len({preset.name for preset in named}) == len(named) == 27
    assert set(FIGURES) <= set(presets.PRESETS)
    grids = {p.name for p in ABLATIONS if "voc" in p.name}
    assert set(presets.PRESETS) - set(FIGURES) == grids | {
        "hyperseg_tiny",
        *(preset.name for preset in LITE),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "grid"),
    [
        ("1x1", (1, 1)),
        ("4x4", (4, 4)),
        ("8x8", (8, 8)),
    ],
)
def test_the_grids_of_table_6_are_those_at_512(name, grid):
    preset = presets.get(f"hyperseg_l_voc_{name}")
    assert preset.image_size == (512, 512)
    signal = HyperSeg(replace(preset, num_classes=2), implementation="slices").taps()
    shapes = signal.compute_output_shape((1, 512, 512, 3))
    assert shapes["weights_5"][1:3] == grid


@pytest.mark.slow
def test_one_patch_makes_the_weights_of_the_whole_image():
    preset = replace(
        presets.get("hyperseg_tiny"), patch_size=None, context_levels=0, num_classes=4
    )
    model = HyperSeg(preset, implementation="einsum")
    images = np.random.default_rng(1).normal(size=(2, 64, 96, 3)).astype("float32")
    taps = {k: np.asarray(v) for k, v in model.taps()(images).items()}
    np.testing.assert_allclose(
        taps["signal"],
        taps["feature_head"].mean((1, 2), keepdims=True),
        rtol=1e-4,
        atol=1e-6,
    )
    assert taps["weights_0"].shape[1:3] == (1, 1)


@pytest.mark.slow
def test_a_coarser_grid_averages_the_signal():
    preset = replace(presets.get("hyperseg_tiny"), context_levels=1)
    keras.utils.set_random_seed(0)
    fine = HyperSeg(preset, implementation="slices")
    coarse = HyperSeg(replace(preset, patch_size=64), implementation="slices")
    coarse.set_weights(fine.get_weights())
    images = np.random.default_rng(1).normal(size=(1, 128, 64, 3)).astype("float32")
    signal = np.asarray(fine.taps()(images)["signal"])
    pooled = signal.reshape(1, 2, 2, 1, 2, -1).mean((2, 4))
    np.testing.assert_allclose(
        coarse.taps()(images)["signal"], pooled, rtol=1e-5, atol=1e-6
    )


@pytest.mark.slow
def test_a_decoder_without_dpwconv_is_the_dynamic_one_with_one_set_of_weights():
    """The static decoder computes what a single patch of equal weights would."""
    preset = replace(
        presets.get("hyperseg_tiny"),
        dynamic=False,
        weight_groups=(),
        kernel_sizes=(1, 3, 1, 3, 3),
    )
    keras.utils.set_random_seed(0)
    model = HyperSeg(preset, implementation="slices")
    decoder = model.get_layer("decoder")
    images = np.random.default_rng(2).normal(size=(1, 64, 96, 3)).astype("float32")
    taps = {k: np.asarray(v) for k, v in model.taps()(images).items()}
    from hyperseg_tf.ops.block import Block
    from hyperseg_tf.ops.path import PLAIN

    for i, kernel_size in enumerate(preset.kernel_sizes):
        if kernel_size == 1:
            parts = (f"level_{i}",)
        else:
            parts = (f"level_{i}_expand", f"level_{i}_dwconv", f"level_{i}_project")
        kernels, norms = [], []
        for part in parts:
            depthwise = part.endswith("dwconv")
            conv = decoder.get_layer(part if depthwise else f"{part}_conv")
            norm = decoder.get_layer(f"{part.removesuffix('dwconv')}bn" if depthwise
                                     else f"{part}_bn")  # fmt: skip
            kernel = np.asarray(conv.kernel)
            axes = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
            kernels.append(kernel.transpose(axes).reshape(-1))
            norms.append(
                (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
            )
        weights = np.concatenate(kernels).reshape(1, 1, 1, -1)
        feature = taps[f"feature_{5 - i}"]
        if i == 0:
            feature = np.concatenate([feature, taps["signal"]], -1)
        previous = taps[f"level_{i - 1}"] if i else None
        filters = (*preset.level_channels, preset.num_classes)[i]
        path = PLAIN["einsum", False]
        block = Block(filters, kernel_size, 2, "neighbour", "reflect", True, 1e-5, path)
        want, _ = block(feature, previous, weights, norms)
        np.testing.assert_allclose(taps[f"level_{i}"], want, rtol=1e-4, atol=2e-5)


def test_fields_that_do_not_fit_are_refused():
    preset = presets.get("hyperseg_tiny")
    for change, rule in (
        ({"patch_size": 48}, "patch_size must be None or a multiple of 32"),
        ({"patch_size": 0}, "patch_size must be None or a multiple of 32"),
        ({"context_levels": -1}, "context_levels must lie in 0..6"),
        ({"halo": "both"}, "halo must be in"),
        ({"reductions": (0.0, 1.0, 1.0, 1.0, 1.0)}, r"reductions must lie in \(0, 1\]"),
        ({"expand_ratio": 0}, "expand_ratio must lie in 1..16"),
        ({"level_channels": (0, 1, 1, 1)}, "level_channels must lie in 1..4096"),
        ({"weight_groups": (0, 1, 1, 1, 1)}, "weight_groups must lie in 1..4096"),
        ({"dynamic": False}, "weight_groups must name 0 heads"),
        (
            {"dynamic": False, "weight_groups": (), "patch_size": None},
            "patch_size must be 32 and shared_levels 1 without dynamic",
        ),
    ):
        with pytest.raises(ValueError, match=rule):
            replace(preset, **change)
    with pytest.raises(ValueError, match="padding of resnet18 must be in"):
        HyperSeg(replace(preset, backbone="resnet18", backbone_padding="static"))
    with pytest.raises(ValueError, match="must divide channels"):
        HyperSeg(replace(preset, weight_groups=(16, 7, 8, 8, 8)))


def test_every_backbone_is_known_by_its_channels():
    for name in NAMES:
        assert signal_source_channels(name) >= 640
