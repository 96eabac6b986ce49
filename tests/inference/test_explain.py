"""A picture of another kind is named more unlike than one of the training's kind."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf import HyperSeg, cli, presets
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.inference.explain import Explainer
from hyperseg_tf.inference.passes import Passes
from hyperseg_tf.inference.predict import predict_files
from hyperseg_tf.inference.seen import METADATA
from hyperseg_tf.inference.segmenter import Segmenter
from hyperseg_tf.network.layout import decoder_layout
from tests.tiny_segmenter import random_hyperseg


def scene(seed, size=(96, 160)):
    """Sky, ground and a box: the kind of picture that the tests train on."""
    rng = np.random.default_rng(seed)
    image = np.empty((*size, 3))
    horizon = int(size[0] * rng.uniform(0.35, 0.65))
    image[:horizon] = (120, 170, 220)
    image[horizon:] = (90, 110, 70)
    top, left = horizon - rng.integers(10, 30), rng.integers(0, size[1] - 40)
    image[top : horizon + 10, left : left + 40] = (160, 60, 40)
    image += rng.normal(0, 6, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    for i in range(24):
        Image.fromarray(scene(i)).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def model():
    return random_hyperseg()


@pytest.fixture(scope="module")
def explainer(model, folder):
    return Explainer(model, Segmenter(model), sorted(folder.iterdir()))


def _explained(explainer, image):
    return explainer(image, np.ones(image.shape[:2], np.float32))


def test_another_kind_of_picture_is_more_unlike_than_held_out_ones(explainer):
    held_out = [_explained(explainer, scene(i))[1] for i in range(100, 106)]
    noise = np.random.default_rng(0).integers(0, 256, (96, 160, 3), np.uint8)
    for other in (noise, 255 - scene(100)):
        found = _explained(explainer, other)[1]
        assert found.unlike > 0.5 > 5 * max(h.unlike for h in held_out)
        assert found.typical > 95 > max(h.typical for h in held_out)


@pytest.mark.slow
def test_through_windows_what_is_strange_is_found_where_it_lies(model, explainer):
    # Without windows the gates of the backbone tell every patch of it.
    segmenter = Segmenter(model, passes=Passes(window=(96, 160), overlap=0))
    through = Explainer(model, segmenter, explainer.seen)
    image = np.concatenate([scene(100), scene(101), scene(102)], axis=1)
    image[:, 320:] = np.random.default_rng(1).integers(0, 256, (96, 160, 3))
    percent, found = _explained(through, image)
    assert percent.shape == (96, 480) and percent.min() >= 0 and percent.max() == 100
    assert (percent[:, 320:] > 99).mean() > 0.5 > 5 * (percent[:, :320] > 99).mean()
    assert found.farthest[1] >= 320
    alone = _explained(explainer, scene(100))[0]
    np.testing.assert_allclose(percent[:, :160], alone, atol=0.5)


@pytest.mark.slow
def test_patches_are_drawn_where_they_are_in_a_resized_picture(model, explainer):
    resized = Explainer(model, Segmenter(model, (96, 160)), explainer.seen)
    image = scene(103).repeat(2, axis=0).repeat(2, axis=1)[:191]
    percent, _ = _explained(resized, image)
    assert percent.shape == (191, 320)
    cells = percent[:, :64][:60]
    assert (cells == cells[0, 0]).all()


def test_a_model_without_a_hypernetwork_is_refused(tmp_path):
    preset = replace(
        presets.get("hyperseg_tiny"),
        name="learned",
        dynamic=False,
        weight_groups=(),
        shared_levels=1,
        halo="neighbour",
    )
    model = HyperSeg(preset)
    with pytest.raises(UserError, match="decoder of learned has learned kernels"):
        Explainer(model, Segmenter(model))
    Image.fromarray(scene(0)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="--explain .* shows generated weights"):
        predict_files(model, [tmp_path / "a.png"], tmp_path / "out", explain=True)
    assert not (tmp_path / "out").exists()


def test_a_model_that_knows_nothing_of_its_training_says_what_to_do(model):
    with pytest.raises(UserError, match="add --like FOLDER"):
        Explainer(model, Segmenter(model))


@pytest.mark.slow
def test_what_a_model_knows_is_read_from_its_file(tmp_path, model, explainer, capsys):
    copy = HyperSeg.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    copy.set_metadata({**model.metadata, METADATA: explainer.seen.as_data()})
    copy.save(tmp_path / "model.keras")
    Image.fromarray(scene(104)).save(tmp_path / "a.png")
    out = tmp_path / "out"
    words = ["predict", str(tmp_path), str(tmp_path / "a.png"), "--out", str(out)]
    assert cli.main([*words, "--explain"]) == 0
    files, told = capsys.readouterr().out.splitlines()
    assert str(out / "explained" / "a.png") in files.split()
    _, expected = explainer(
        scene(104), Segmenter(model).confident_maps(scene(104)[None])[1][0]
    )
    assert told == f"{tmp_path / 'a.png'}: {expected}"
    with Image.open(out / "explained" / "a.png") as drawn:
        assert drawn.width > 1000
    assert not (out / "confidence").exists()
    damaged = {**explainer.seen.as_data(), "radii": "AAAA"}
    copy.set_metadata({**model.metadata, METADATA: damaged})
    with pytest.raises(UserError, match="those that train wrote.*--like"):
        Explainer(copy, Segmenter(copy))


@pytest.mark.parametrize("name", [n for n in presets.PRESETS])
def test_every_preset_with_a_hypernetwork_has_a_signal_to_compare(name):
    from hyperseg_tf.inference.signals import cell_size

    preset = presets.get(name)
    if not decoder_layout(preset)[1]:
        return
    height, width = cell_size(type("Model", (), {"preset": preset}), (97, 161))
    padded = [side + -side % preset.size_multiple for side in (97, 161)]
    if preset.patch_size is None:
        assert [height, width] == padded
    else:
        assert (height, width) == (preset.patch_size, preset.patch_size)
        assert padded[0] % height == 0 and padded[1] % width == 0
