from dataclasses import replace

import keras
import numpy as np
import pytest

from hyperseg_tf import HyperSeg, presets
from hyperseg_tf.convert.released import entries as released
from hyperseg_tf.network.model_file import load
from tests.calibrated import calibrate, norms, pictures, precision
from tests.golden import arrays, state_dict
from tests.layouts import nhwc
from tests.network.test_model import MODELS

# Sizes and numbers of groups, patches and layers of what the others have, too.
_ALIKE = (
    *(f"hyperseg_m_cityscapes_groups_{groups}" for groups in (1, 2, 4, 8)),
    *(f"hyperseg_l_voc_{n}x{n}_without_positions" for n in (1, 4, 8, 16)),
    *(f"hyperseg_l_voc_{n}x{n}" for n in (1, 4, 8)),
    "hyperseg_m_cityscapes",
    "hyperseg_m_cityscapes_paper",
    "hyperseg_s_cityscapes",
    "hyperseg_s_cityscapes_paper",
    "hyperseg_l_camvid",
    "hyperseg_l_camvid_pspnet18",
    "hyperseg_l_camvid_pspnet50",
    "hyperseg_l_camvid_resnet18",
    "hyperseg_l_camvid_without_dpwconv",
    "hyperseg_s_camvid_pspnet50",
    "hyperseg_s_lite0",
    "hyperseg_s_lite1",
    "hyperseg_m_lite2",
)
REST = [
    pytest.param(name, marks=pytest.mark.grid if name in _ALIKE else pytest.mark.slow)
    for name in presets.PRESETS
    if name != "hyperseg_tiny"
]


def _trained(preset, images):
    """A model whose normalizations are far from the identity and fit the images."""
    keras.utils.set_random_seed(0)
    model = HyperSeg(preset, implementation="slices")
    rng = np.random.default_rng(0)
    for norm in norms(model):
        norm.gamma.assign(rng.uniform(0.7, 1.3, norm.gamma.shape))
        norm.beta.assign(0.1 * rng.normal(size=norm.beta.shape))
    calibrate(model, images)
    return model


def _copy(model):
    """The same model in the floating point type of the moment."""
    copy = HyperSeg.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return copy


def _difference(found, want):
    return np.abs(found - want).max() / np.abs(want).max()


@pytest.mark.parametrize(
    "name",
    [
        *(
            pytest.param(n, marks=pytest.mark.slow)
            for n in ("hyperseg_tiny", "neighbour")
        ),
        *REST,
    ],
)
def test_folding_keeps_the_logits_and_leaves_no_normalization(name, tmp_path):
    if name == "neighbour":
        preset = replace(
            presets.get("hyperseg_tiny"), halo="neighbour", context_head="replace"
        )
    else:
        preset = presets.get(name)
    images = pictures(4, 64, 128)
    model = _trained(preset, images)
    folded = model.fold()
    assert norms(model)
    assert not norms(folded)

    with precision("float64"):
        exact = _copy(model)
        truth = _logits(exact, images)
        assert truth.dtype == np.float64
        # TensorFlow's float64 rsqrt has some 12 digits, and random weights cost some.
        assert _difference(_logits(exact.fold(), images), truth) <= 1e-7
    # Random weights amplify rounding: the unfolded model itself is that far from the
    # float64 one. Folding may not add to it.
    noise = _difference(_logits(model, images), truth)
    assert _difference(_logits(folded, images), truth) <= max(1e-5, 3 * noise)

    folded.save(tmp_path / "folded.keras")
    loaded = load(tmp_path / "folded.keras")
    np.testing.assert_array_equal(loaded(images), folded(images))


def _logits(model, images):
    """Logits before the cast to float32 at the very end, which would hide digits."""
    taps = model.taps()(images.astype(keras.config.floatx()), training=False)
    level = max((k for k in taps if k.startswith("level_")), key=lambda k: int(k[6:]))
    return np.asarray(taps[level])


@pytest.mark.slow  # the redrawn weights take seconds; above are smaller networks
@pytest.mark.parametrize(
    "name",
    [
        "camvid_hyperseg_s",
        "cityscapes_hyperseg_s",
    ],
)
def test_folding_the_reference_weights_keeps_the_logits_to_five_digits(name):
    gold = arrays(name)
    model = HyperSeg.from_preset(
        MODELS[name][0], backbone_padding="static", implementation="slices"
    )
    released.assign(model, state_dict(name))
    folded = model.fold()
    for case in "ab":
        images = nhwc(gold[f"{case}/image"])
        want = np.asarray(model(images))
        assert _difference(np.asarray(folded(images)), want) <= 1e-5


@pytest.fixture(scope="module")
def tiny():
    images = pictures(4, 64, 96)
    return _trained(presets.get("hyperseg_tiny"), images), images


@pytest.mark.slow
def test_folding_does_not_touch_the_model(tiny):
    model, _ = tiny
    before = [w.copy() for w in model.get_weights()]
    model.fold()
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.slow
def test_folding_twice_and_choosing_an_implementation(tiny):
    model, images = tiny
    folded = model.fold()
    again = folded.fold(implementation="einsum")
    assert again.implementation == "einsum"
    np.testing.assert_allclose(again(images), folded(images), rtol=1e-4, atol=1e-5)
