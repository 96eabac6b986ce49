import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf import HyperSeg, cli, presets
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.pixels import normalise
from hyperseg_tf.inference.predict import predict
from hyperseg_tf.inspection.inspect import inspect
from hyperseg_tf.inspection.pictures import _components
from hyperseg_tf.inspection.result import PICTURES, PatchGrid, check_out
from hyperseg_tf.inspection.statistics import cosines, norms, principal_components
from hyperseg_tf.network.layout import decoder_layout
from tests.tiny_segmenter import random_hyperseg

FILES = sorted([*(f"{name}.png" for name in PICTURES), "inspection.json"])


@pytest.fixture(scope="module")
def model():
    return random_hyperseg()


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(3).integers(0, 256, (70, 150, 3), np.uint8)


@pytest.fixture(scope="module")
def found(model, image):
    return inspect(model, image)


def _rows(count=11, size=9001):
    # A strong, a middling and a weak direction; more columns than are taken at once.
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(count, 3)) * (9, 4, 1)
    rows = scores @ rng.normal(size=(3, size)) + rng.normal(size=size)
    return (rows + 0.1 * rng.normal(size=rows.shape)).astype("float32")


def test_components_are_those_of_a_singular_value_decomposition():
    rows = _rows()
    components, explained = principal_components(rows)
    centred = rows.astype("float64") - rows.mean(axis=0, dtype="float64")
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(explained, (s**2 / np.sum(s**2))[:3], rtol=1e-6)
    np.testing.assert_allclose(
        np.abs(components), np.abs(u * s)[:, :3], rtol=1e-5, atol=1e-4
    )
    largest = np.abs(components).argmax(axis=0)
    assert (components[largest, range(3)] > 0).all()
    # The same directions, however the axes are turned.
    turned, _ = principal_components(-rows)
    np.testing.assert_allclose(turned, components, rtol=1e-6, atol=1e-6)


def test_axes_of_many_vectors_come_from_a_sample_of_them(monkeypatch):
    rows = _rows(count=60, size=50)
    exact, share = principal_components(rows)
    monkeypatch.setattr("hyperseg_tf.inspection.statistics.MAX_FITTED", 40)
    sampled, sampled_share = principal_components(rows)
    assert sampled.shape == (60, 3)
    np.testing.assert_allclose(sampled_share, share, atol=0.01)
    for one, other in zip(exact.T, sampled.T, strict=True):
        assert abs(np.corrcoef(one, other)[0, 1]) > 0.97


def test_components_that_do_not_exist_are_zero():
    components, explained = principal_components(_rows(count=2))
    assert explained[0] == pytest.approx(1) and (explained[1:] == 0).all()
    np.testing.assert_allclose(components[0], -components[1], rtol=1e-6)
    for rows in (_rows(count=1), np.tile(_rows(count=1), (5, 1)), np.zeros((4, 3))):
        components, explained = principal_components(rows)
        assert np.isnan(explained).all() and (components == 0).all()


def test_cosines_and_norms_are_exact():
    rows = np.array([[3, 4], [-3, -4], [4, -3], [0, 0], [6, 8]], "float32")
    np.testing.assert_array_equal(norms(rows), [5, 5, 5, 0, 10])
    np.testing.assert_allclose(norms(rows[[0, 2]], centred=True), [12.5**0.5] * 2)
    np.testing.assert_allclose(cosines(rows, 0), [1, -1, 0, np.nan, 1], atol=1e-12)
    assert np.isnan(cosines(rows, 3)).all()
    assert cosines(_rows(), 7)[7] == 1.0


def test_a_patch_belongs_to_the_picture_if_any_of_it_does():
    grid = PatchGrid(shape=(4, 6), cell=(32, 32), size=(64, 129))
    assert grid.inside == (2, 5)
    assert PatchGrid(shape=(1, 1), cell=(64, 192), size=(5, 7)).inside == (1, 1)


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
    (axes,) = _components(found).axes
    assert "level 4: one patch" in axes.figure.get_suptitle()


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


@pytest.mark.parametrize(
    "name", [name for name in presets.PRESETS if decoder_layout(presets.get(name))[1]]
)
def test_readers_follow_from_the_slices_of_every_preset(found, name):
    preset = presets.get(name)
    _, heads = decoder_layout(preset)
    channels = 2048  # as many as any backbone has
    it = replace(found, preset=preset, signal=np.zeros(channels))
    assert it.readers.sum() == sum(head.channels for head in heads)
    assert it.readers.max() == (len(heads) if preset.overlapping_slices else 1)
    last = max(head.offset + head.channels for head in heads)
    unused = {c for first, end in it.unused for c in range(first, end + 1)}
    assert unused == set(np.flatnonzero(it.readers == 0).tolist())
    assert it.unused == ([(last, channels - 1)] if last < channels else [])


def test_weights_that_are_not_finite_are_refused(model, image):
    kernel = model.get_layer("weights_2").kernel
    values = kernel.numpy()
    kernel.assign(np.full_like(values, np.inf))
    with pytest.raises(UserError, match="weights_2"):
        inspect(model, image)
    kernel.assign(values)


def test_a_decoder_without_generated_weights_is_refused(model, image, monkeypatch):
    monkeypatch.setattr(
        "hyperseg_tf.inspection.inspect.decoder_layout", lambda _: ((), ())
    )
    with pytest.raises(UserError, match="nothing to inspect"):
        inspect(model, image)


def test_mistakes_are_one_line(model, image, tmp_path):
    with pytest.raises(UserError, match="neither"):
        inspect(str(tmp_path / "nowhere.keras"), image)
    with pytest.raises(UserError, match="no such file"):
        inspect(model, tmp_path / "nowhere.png")
    with pytest.raises(ValueError, match="uint8"):
        inspect(model, image[..., 0])
    with pytest.raises(ValueError, match="HyperSeg"):
        from tests.tiny_segmenter import by_brightness

        inspect(by_brightness(), image)


def test_nothing_but_an_earlier_inspection_is_overwritten(tmp_path):
    out = tmp_path / "out"
    check_out(out, False)
    out.mkdir()
    check_out(out, False)
    (out / "inspection.json").write_text("{}")
    with pytest.raises(UserError, match="--overwrite"):
        check_out(out, False)
    check_out(out, True)
    (out / "holiday.jpg").write_text("")
    with pytest.raises(UserError, match="holiday.jpg"):
        check_out(out, True)


def test_the_command_writes_all_files_or_none(tmp_path, capsys, image):
    picture, out = tmp_path / "a $b.png", tmp_path / "deep" / "out"
    words = ["inspect", "hyperseg_tiny", str(picture), "--out", str(out)]
    assert cli.main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no such file" in line and not out.exists()
    Image.fromarray(image).save(picture)
    assert cli.main([*words, "--patch", "1,2", "--weights"]) == 0
    printed = capsys.readouterr().out
    assert "RANDOM WEIGHTS" in printed and "similarity to patch 1,2\n" in printed
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [*FILES, "weights.npz"]
    )
    assert all(str(out / name) in printed for name in FILES)
    for name in PICTURES:
        with Image.open(out / f"{name}.png") as drawn:
            assert drawn.size[0] >= 1000
    facts = json.loads((out / "inspection.json").read_text())
    assert facts["random_weights"] and facts["patch"] == [1, 2]
    assert facts["grid"] == [4, 6] and facts["grid_inside_picture"] == [3, 5]
    with np.load(out / "weights.npz") as weights:
        for i, level in enumerate(facts["levels"]):
            expected = np.linalg.norm(weights[f"weights_{i}"][:3, :5], axis=-1)
            got = np.array(level["norms"], float)
            np.testing.assert_allclose(got[:3, :5], expected, rtol=1e-4)
            assert level["norms"][3] == [None] * 6
            assert level["similarities"][1][2] == 1
    assert cli.main(words) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_a_patch_is_row_and_column(capsys):
    for text in ("3", "1;2", "a,b"):
        with pytest.raises(SystemExit):
            cli.main(["inspect", "m", "i", "--out", "o", "--patch", text])
    assert "ROW,COLUMN" in capsys.readouterr().err
