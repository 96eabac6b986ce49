import numpy as np
from PIL import Image

from hyperseg_tf.base.pixels import denormalise
from hyperseg_tf.training import overlays as module
from hyperseg_tf.training.overlays import Overlays
from hyperseg_tf.training.run_folder import RunFolder
from hyperseg_tf.visualise import places
from tests.training.three_channels import draw, identity

COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))


def test_overlays_show_what_is_predicted_beside_the_label(tmp_path, monkeypatch):
    images, labels = draw(2)
    rows = []

    def compared(given, *more):
        if not rows:
            rows.extend(given)
        return drawn(given, *more)

    drawn = module.compared
    monkeypatch.setattr(module, "compared", compared)
    overlays = Overlays(
        RunFolder(tmp_path),
        identity(),
        list(zip(images, labels, strict=True)),
        ["street", "park"],
        ("a", "b", "c"),
        COLOURS,
    )
    overlays.on_epoch_end(4)
    picture = np.asarray(Image.open(tmp_path / "overlays" / "epoch_0005.png"))
    at = places(rows)
    first = picture[at.tops[0] :, at.lefts[0] :][:5, :7]
    np.testing.assert_array_equal(first, denormalise(images[0]))
    for row, one in zip(rows, overlays.pictures, strict=True):
        np.testing.assert_array_equal(one, drawn([row], ("a", "b", "c"), COLOURS))
    for row, image, label in zip(rows, images, labels, strict=True):
        np.testing.assert_array_equal(row.prediction, image.argmax(-1))
        np.testing.assert_array_equal(row.label, label)
        there, found = label[1:], image.argmax(-1)[1:]
        ious = [
            ((there == k) & (found == k)).sum() / ((there == k) | (found == k)).sum()
            for k in range(3)
        ]
        assert row.title.endswith(f"  mIoU {np.mean(ious):.4f}")
    assert rows[0].title.startswith("street") and rows[1].title.startswith("park")


def test_a_picture_of_void_alone_has_no_score(tmp_path):
    images, labels = draw(1)
    parts = [(images[0], np.full_like(labels[0], 255))]
    overlays = Overlays(
        RunFolder(tmp_path), identity(), parts, ["x"], ("a", "b", "c"), COLOURS
    )
    overlays.on_epoch_end(0)
    assert len(overlays.pictures) == 1
