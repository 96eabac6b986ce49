from dataclasses import replace

import numpy as np
import pytest

from hyperseg_tf import HyperSeg, cli, presets
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.pixels import normalise
from hyperseg_tf.inference.predict import predict
from hyperseg_tf.inspection.inspect import inspect
from hyperseg_tf.inspection.result import PatchGrid
from hyperseg_tf.network.layout import decoder_layout
from tests.tiny_segmenter import by_brightness

# A real network is built, run and looked into, in every one of them.
pytestmark = pytest.mark.slow


def test_levels_hold_the_weights_that_the_network_used(model, image, found):
    assert found.grid == PatchGrid(shape=(4, 6), cell=(32, 32), size=(70, 150))
    taps = model.taps()(normalise(image[None]), training=False)
    levels, _ = decoder_layout(model.preset)
    for level, layout in zip(found.levels, levels, strict=True):
        weights = np.asarray(taps[f"weights_{layout.head}"])[0, :3, :5]
        weights = weights[..., layout.start : layout.start + layout.size]
        np.testing.assert_allclose(
            level.norms[:3, :5], np.linalg.norm(weights, axis=-1), rtol=1e-5
        )
        squares = sum(part**2 for part in level.parts.values())
        np.testing.assert_allclose(squares, level.norms**2, rtol=1e-6)
        assert list(level.parts) == ["pw1", "dw", "pw2"][: len(layout.kernels)]
    signal = np.asarray(taps["signal"])[0, :3, :5]
    np.testing.assert_allclose(
        found.signal, np.sqrt((signal**2).mean(axis=(0, 1))), rtol=1e-4
    )


def test_patches_in_the_padding_are_left_out(found):
    for level in found.levels:
        for values in (level.norms, level.similarities, level.components[..., 2]):
            assert np.isfinite(values[:3, :5]).all()
            assert np.isnan(values[3:]).all() and np.isnan(values[:, 5:]).all()
    assert all(weights.shape[:2] == (4, 6) for weights in found.weights)
    assert any("9 of 4x6 patches are padding" in line for line in found.remarks)


def test_the_patch_is_the_most_unusual_whole_one_or_the_named_one(model, image, found):
    assert not found.named and found.patch[0] < 2 and found.patch[1] < 4
    distance = 0
    for i in range(len(found.levels)):
        weights = found.weights[i][:3, :5].astype("float64")
        level = np.linalg.norm(weights - weights.mean(axis=(0, 1)), axis=-1)
        distance = distance + level / level.mean()
    assert distance[found.patch] == pytest.approx(distance[:2, :4].max())
    named = inspect(model, image, (2, 4))
    assert named.named and named.patch == (2, 4)
    for level in named.levels:
        assert level.similarities[2, 4] == 1
        assert np.nanmax(np.abs(level.similarities)) <= 1


def test_the_class_map_is_that_of_predict(model, image, found):
    label = predict(model.with_implementation("slices"), image)
    # Folding rounds differently where two classes are equally likely.
    assert (found.label == label).mean() > 0.99


@pytest.mark.parametrize("patch", [(3, 0), (0, 5)])
def test_a_patch_outside_the_picture_is_refused(model, image, patch):
    with pytest.raises(UserError, match=r"grid of 3x5 .*rows are 0 to 2, columns 0 to"):
        inspect(model, image, patch)


def test_a_small_picture_has_one_patch_and_no_components(model):
    found = inspect(model, np.zeros((5, 40, 3), np.uint8), image_size=(32, 32))
    assert found.grid.inside == (1, 1) and found.label.shape == (5, 40)
    assert all("one patch" in level.note for level in found.levels)
    assert np.isnan(found.mean_similarity(0))
    level = found.facts()["levels"][0]
    assert (
        level["mean_similarity"] is None and level["explained_variance"] == [None] * 3
    )
    assert "one patch" in found.table()


def test_shared_heads_are_split_into_their_levels_and_folded_scales_are_told():
    preset = replace(
        presets.get("hyperseg_tiny"), shared_levels=2, weight_groups=(16, 16, 8, 8)
    )
    model = HyperSeg(preset).fold()
    found = inspect(model, np.full((64, 64, 3), 90, np.uint8))
    assert [level.layout.head for level in found.levels] == [0, 1, 2, 3, 3]
    assert found.levels_of(3) == [3, 4] and len(found.weights) == 4
    together = found.levels[3].norms ** 2 + found.levels[4].norms ** 2
    whole = np.linalg.norm(found.weights[3], axis=-1) ** 2
    np.testing.assert_allclose(together[:2, :2], whole[:2, :2], rtol=1e-5)
    assert found.folded and any("folded" in line for line in found.remarks)


def test_weights_that_are_not_finite_are_refused(model, image):
    kernel = model.get_layer("weights_2").kernel
    values = kernel.numpy()
    kernel.assign(np.full_like(values, np.inf))
    with pytest.raises(UserError, match="weights_2"):
        inspect(model, image)
    kernel.assign(values)


def test_a_decoder_without_generated_weights_is_refused(image):
    preset = replace(
        presets.get("hyperseg_tiny"), dynamic=False, weight_groups=(), shared_levels=1
    )
    with pytest.raises(UserError, match="inspect shows generated weights: .* nothing"):
        inspect(HyperSeg(preset), image)


def test_mistakes_are_one_line(model, image, tmp_path):
    with pytest.raises(UserError, match="neither"):
        inspect(str(tmp_path / "nowhere.keras"), image)
    with pytest.raises(UserError, match="no such file"):
        inspect(model, tmp_path / "nowhere.png")
    with pytest.raises(ValueError, match="uint8"):
        inspect(model, image[..., 0])
    with pytest.raises(ValueError, match="HyperSeg"):
        inspect(by_brightness(), image)


def test_a_patch_is_row_and_column(capsys):
    for text in ("3", "1;2", "a,b"):
        with pytest.raises(SystemExit):
            cli.main(["inspect", "m", "i", "--out", "o", "--patch", text])
    assert "ROW,COLUMN" in capsys.readouterr().err
