import errno

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base import pixels
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.limit import Limit
from hyperseg_tf.inference import pictures, segmenter, windows
from hyperseg_tf.inference import predict as prediction
from hyperseg_tf.inference.passes import Passes
from hyperseg_tf.inference.predict import predict, predict_files
from hyperseg_tf.visualise import drawn, drawn_palette, enlargement
from tests.hostile.entries import png, strange_entries, tiff
from tests.inference.picture_files import picture, save
from tests.tiny_segmenter import COLOURS, NAMES, by_brightness, random_hyperseg


@pytest.fixture(scope="module")
def model():
    return by_brightness()


def _read(path):
    with Image.open(path) as opened:
        return opened.mode, np.asarray(opened)


def test_predict_returns_the_class_of_every_pixel(model):
    label = predict(model, picture())
    assert label.dtype == np.uint8 and label.shape == (9, 14)
    np.testing.assert_array_equal(label, picture()[..., 0] > 100)


def test_predict_sees_weights_that_change(model):
    changing = by_brightness()
    before = predict(changing, picture())
    kernel, bias = changing.layers[-1].get_weights()
    changing.layers[-1].set_weights([-kernel, bias])
    np.testing.assert_array_equal(predict(changing, picture()), 1 - before)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_predict_refuses_what_is_nopicture(model, image):
    with pytest.raises(ValueError, match="picture"):
        predict(model, image)


@pytest.mark.slow
def test_hyperseg_predicts_any_size_and_files_agree_with_arrays(tmp_path):
    model = random_hyperseg().with_implementation("slices")
    rng = np.random.default_rng(0)
    for height, width in ((5, 7), (33, 70)):
        image = rng.integers(0, 256, (height, width, 3), np.uint8)
        path = save(tmp_path / f"{height}.png", image)
        (written,) = predict_files(model, [path], tmp_path / "out").written
        label = predict(model, image)
        assert label.shape == (height, width)
        # Folding rounds differently where two classes are equally likely.
        assert (_read(written.classes)[1] == label).mean() > 0.99


def test_files_get_a_class_png_and_an_overlay_with_a_legend(tmp_path, model):
    source = save(tmp_path / "a.png", picture())
    result = predict_files(model, [source], tmp_path / "out")
    assert result.errors == ()
    (written,) = result.written
    mode, label = _read(written.classes)
    assert mode == "L"
    np.testing.assert_array_equal(label, predict(model, picture()))
    mode, overlay = _read(written.overlay)
    assert mode == "RGB"
    # The picture in the corner, enlarged, the legend below.
    expected = np.rint((picture()[0, 0] + np.array(COLOURS[0])) / 2)
    assert np.abs(overlay[0, 0] - expected).max() <= 1
    legend = overlay[9 * enlargement((9, 14)) :].reshape(-1, 3)
    for index in (0, 1):
        assert (legend == COLOURS[index]).all(axis=1).sum() > 50
    assert not (legend == COLOURS[2]).all(axis=1).any()  # "never" is not there
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "classes",
        "overlays",
    ]


def test_overlays_of_classes_too_alike_have_other_colours_and_class_maps_do_not(
    tmp_path,
):
    model = by_brightness()
    model.metadata["colours"] = [[128, 128, 0], [64, 64, 0], [0, 0, 200]]
    source = save(tmp_path / "a.png", picture())
    result = predict_files(model, [source], tmp_path / "out")
    (note,) = result.notes
    assert "pictures draw bright in colours of their own" in note
    (written,) = result.written
    table = drawn_palette(3, model.metadata["colours"])
    _, overlay = _read(written.overlay)
    legend = overlay[9 * enlargement((9, 14)) :].reshape(-1, 3)
    assert (table[1] != (64, 64, 0)).any()
    for colour in table[:2]:
        assert (legend == colour).all(axis=1).sum() > 50
    _, label = _read(written.classes)
    np.testing.assert_array_equal(label, predict(model, picture()))


def test_folders_are_searched_and_keep_their_structure(tmp_path, model):
    folder = tmp_path / "pictures"
    save(folder / "a.JPG", picture(), format="JPEG")
    save(folder / "deep" / "er" / "b.png", picture())
    (folder / "notes.txt").write_text("no picture")
    (folder / "._a.jpg").write_text("what a Mac leaves")
    out = tmp_path / "out"
    predict_files(model, [folder], out)
    found = sorted(str(p.relative_to(out)) for p in out.rglob("*.png"))
    assert found == [
        "classes/a.png",
        "classes/deep/er/b.png",
        "overlays/a.png",
        "overlays/deep/er/b.png",
    ]


def test_several_folders_lie_below_their_names(tmp_path, model):
    for name in ("x", "y"):
        save(tmp_path / name / "a.png", picture())
    result = predict_files(model, [tmp_path / "x", tmp_path / "y"], tmp_path / "out")
    names = [w.classes.relative_to(tmp_path / "out/classes") for w in result.written]
    assert list(map(str, names)) == ["x/a.png", "y/a.png"]


def test_names_that_collide_are_all_kept(tmp_path, model):
    paths = [
        save(tmp_path / "1" / "a.png", picture(split=3)),
        save(tmp_path / "1" / "a.bmp", picture(split=4)),
        save(tmp_path / "2" / "a.png", picture(split=5)),
        save(tmp_path / "2" / "A.bmp", picture(split=6)),
        tmp_path / "1" / "a.png",  # twice is once
    ]
    result = predict_files(model, paths, tmp_path / "out")
    assert len(result.written) == 4
    assert len({str(w.classes).lower() for w in result.written}) == 4
    for written, split in zip(result.written, (3, 4, 5, 6), strict=True):
        assert _read(written.classes)[1].sum() == 9 * (14 - split)


def test_inputs_are_never_overwritten(tmp_path, model):
    out = tmp_path / "out"
    source = save(out / "classes" / "a.png", picture())
    before = source.read_bytes()
    (written,) = predict_files(model, [source], out).written
    assert source.read_bytes() == before
    assert written.classes != source and written.classes.exists()


def test_results_in_the_folder_are_no_inputs_of_the_next_run(tmp_path, model):
    save(tmp_path / "a.png", picture())
    for _ in range(2):
        result = predict_files(model, [tmp_path], tmp_path)
        assert [w.source.name for w in result.written] == ["a.png"]


def test_an_unreadable_file_is_named_and_the_others_are_done(tmp_path, model):
    save(tmp_path / "in" / "a.png", picture())
    broken = tmp_path / "in" / "b.png"
    broken.write_bytes((tmp_path / "in" / "a.png").read_bytes()[:60])
    (tmp_path / "in" / "c.jpg").write_text("no picture")
    save(tmp_path / "in" / "d.png", picture())
    missing = tmp_path / "nowhere.png"
    result = predict_files(model, [missing, tmp_path / "in"], tmp_path / "out")
    assert [w.source.name for w in result.written] == ["a.png", "d.png"]
    assert len(result.errors) == 3
    for path, error in zip((missing, broken, "c.jpg"), result.errors, strict=True):
        assert str(path) in error
    assert len(list((tmp_path / "out" / "classes").iterdir())) == 2


def test_nothing_to_predict_is_an_error(tmp_path, model):
    with pytest.raises(UserError, match="nowhere"):
        predict_files(model, [tmp_path / "nowhere"], tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty.*\.jpg"):
        predict_files(model, [tmp_path / "empty"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path, model, monkeypatch):
    path = save(tmp_path / "a.png", picture(100, 200))
    monkeypatch.setattr(pictures, "DECODED", Limit(19_999, multiple=1))
    result = predict_files(model, [path], tmp_path / "out")
    assert result.written == ()
    assert "200x100" in result.errors[0] and "shrink it" in result.errors[0]


def test_a_large_picture_is_seen_through_windows_or_at_a_size(
    tmp_path, model, monkeypatch
):
    path = save(tmp_path / "a.png", picture(100, 200))
    seen = []
    real = windows.starts
    monkeypatch.setattr(windows, "starts", lambda *a: seen.append(a[:2]) or real(*a))
    monkeypatch.setattr(segmenter, "DEFAULT_WINDOW", (40, 64))
    result = predict_files(model, [path], tmp_path / "parts", max_pixels=19_999)
    assert seen == [(200, 64), (100, 40)]
    parts = _read(result.written[0].classes)[1]
    np.testing.assert_array_equal(parts, predict(model, path))
    seen.clear()
    passes = Passes(window=(48, 48))
    predict_files(model, [path], tmp_path / "chosen", passes=passes)
    assert seen == [(200, 48), (100, 48)]
    # At a size for the network the class map has the picture's own.
    result = predict_files(
        model, [path], tmp_path / "out", max_pixels=19_999, image_size=(32, 64)
    )
    assert _read(result.written[0].classes)[1].shape == (100, 200)


def test_a_large_picture_has_one_class_map_at_every_door(tmp_path, model, monkeypatch):
    image = picture(100, 200)
    path = save(tmp_path / "a.png", image)
    whole = predict(model, image)
    seen = []
    real = segmenter.pixels.to_input
    monkeypatch.setattr(
        segmenter.pixels,
        "to_input",
        lambda images, *a: seen.append(images.shape[1:3]) or real(images, *a),
    )
    monkeypatch.setattr(segmenter, "DEFAULT_WINDOW", (40, 64))
    few = {"max_pixels": 19_999}
    (written,) = predict_files(model, [path], tmp_path / "out", **few).written
    np.testing.assert_array_equal(_read(written.classes)[1], whole)
    for given in (path, image, Image.fromarray(image)):
        seen.clear()
        np.testing.assert_array_equal(predict(model, given, **few), whole)
        # No part is larger than a window, so memory is bounded.
        assert len(seen) == 3 * 4 and set(seen) == {(40, 64)}
    seen.clear()
    predict(model, image)
    assert seen == [(100, 200)]


def test_what_is_too_large_for_a_file_is_too_large_for_an_array(model, monkeypatch):
    monkeypatch.setattr(pictures, "DECODED", Limit(19_999, multiple=1))
    large = picture(100, 200)
    for given in (large, Image.fromarray(large)):
        with pytest.raises(UserError, match="the picture: .* got 200x100; shrink it"):
            predict(model, given)


def test_missing_memory_is_told(tmp_path, model, monkeypatch):
    def exhausted(self, images):
        raise MemoryError

    monkeypatch.setattr(prediction.Segmenter, "class_maps", exhausted)
    path = save(tmp_path / "a.png", picture())
    (error,) = predict_files(model, [path], tmp_path / "out").errors
    assert "memory" in error and "a.png" in error


def test_a_model_without_names_is_drawn_in_the_default_palette(tmp_path):
    path = save(tmp_path / "a.png", picture())
    result = predict_files(by_brightness(names=None), [path], tmp_path / "out")
    assert result.written and NAMES


def test_one_bad_entry_never_stops_a_folder(tmp_path, model, monkeypatch):
    """Whatever is wrong with a name or a file is a line; the rest is done."""
    folder = tmp_path / "in"
    save(folder / "a.png", picture())
    strange = strange_entries(folder)
    (folder / "thin.png").write_bytes(png(1, 12_000_000))
    (folder / "tile.tif").write_bytes(tiff((322, 32768), (323, 32768)))
    (folder / f"{'n' * 251}.png").write_bytes((folder / "a.png").read_bytes())
    save(folder / "exhausting.png", picture(7, 7))
    save(folder / "z.png", picture())
    real = prediction.pictures.read_picture

    def read(path, limit):
        if path.name == "exhausting.png":
            raise MemoryError
        return real(path, limit)

    monkeypatch.setattr(prediction.pictures, "read_picture", read)
    result = predict_files(model, [folder], tmp_path / "out")
    assert [w.source.name for w in result.written] == ["a.png", "z.png"]
    told = {
        **strange,
        "thin.png": "got 12000000x1",
        "tile.tif": "got 32768x32768",
        f"{'n' * 251}.png": "File name too long",
        "exhausting.png": "memory",
    }
    assert len(result.errors) == len(told)
    for name, said in told.items():
        (line,) = (error for error in result.errors if f"{name}: " in error)
        assert said in line and "\n" not in line


def test_a_full_disk_is_no_matter_of_one_picture(tmp_path, model, monkeypatch):
    def full(path, pixels):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(prediction.pictures, "write_png", full)
    with pytest.raises(OSError, match="No space"):
        predict_files(model, [save(tmp_path / "a.png", picture())], tmp_path / "out")


def test_logits_that_are_not_finite_are_no_classes(tmp_path):
    model = by_brightness()
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, np.array([0, 0, np.nan], "float32")])
    paths = [save(tmp_path / name, picture()) for name in ("a.png", "b.png")]
    result = predict_files(model, paths, tmp_path / "out")
    assert result.written == () and len(result.errors) == 2
    for path, error in zip(paths, result.errors, strict=True):
        assert error.startswith(f"{path}: logits must be finite")
    assert not list((tmp_path / "out" / "classes").iterdir())
    with pytest.raises(UserError, match="logits must be finite"):
        predict(model, picture())


@pytest.mark.parametrize("view", ["beside", "contours"])
def test_another_view_is_drawn(tmp_path, model, view):
    image = np.repeat(np.repeat(picture(), 40, 0), 40, 1)
    source = save(tmp_path / "a.png", image)
    (written,) = predict_files(model, [source], tmp_path / "out", view=view).written
    label = _read(written.classes)[1]
    expected = drawn(image, label, COLOURS, view)
    found = _read(written.overlay)[1][: expected.shape[0], : expected.shape[1]]
    np.testing.assert_array_equal(found, expected)


def test_confidence_is_the_probability_of_the_class(tmp_path, model):
    source = save(tmp_path / "a.png", picture())
    (written,) = predict_files(
        model, [source], tmp_path / "out", confidence=True
    ).written
    mode, found = _read(written.confidence)
    x, _ = pixels.to_input(picture()[None])
    logits = np.asarray(model(x), "float64")[0, :9, :14]
    each = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    assert mode == "L" and found.shape == (9, 14)
    assert np.abs(found - 255 * each.max(axis=-1)).max() <= 0.51
    again = predict_files(model, [tmp_path], tmp_path / "out", confidence=True)
    assert [w.source for w in again.written] == [source]


def test_every_picture_is_told_of_when_it_is_done(tmp_path, model):
    for name in "abc":
        Image.fromarray(picture()).save(tmp_path / f"{name}.png")
    told = []

    def each(written):
        assert written.classes.is_file() and written.overlay.is_file()
        told.append(
            (written.source.name, len(list((tmp_path / "out/classes").iterdir())))
        )

    predict_files(model, [tmp_path], tmp_path / "out", each=each)
    assert [name for name, _ in told] == ["a.png", "b.png", "c.png"]
    # The next may be written already, the one after it not.
    assert all(i <= count <= i + 1 for i, (_, count) in enumerate(told, 1))


def test_lists_and_probabilities_are_those_of_each_picture(tmp_path):
    model = by_brightness()
    picture = np.random.default_rng(0).integers(0, 256, (40, 33, 3), np.uint8)
    small = picture[:9, :11]
    Image.fromarray(picture).save(tmp_path / "a.png")
    one, other = predict(model, [tmp_path / "a.png", small])
    np.testing.assert_array_equal(one, predict(model, picture))
    np.testing.assert_array_equal(other, predict(model, small))
    assert predict(model, []) == []
    shares = predict(model, picture, probabilities=True)
    assert shares.shape == (40, 33, 3) and shares.dtype == np.float32
    np.testing.assert_allclose(shares.sum(-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(shares.argmax(-1), one)
    (again,) = predict(model, (picture,), probabilities=True)
    np.testing.assert_array_equal(again, shares)
