from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.inference.inputs import absent, no_picture
from hyperseg_tf.inference.predict import predict_files
from tests.tiny_segmenter import by_brightness


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("https://example.org/street.jpg", "got an address; download it"),
        ("s3://bucket/a.png", "got an address; download it"),
        ("rtsp://camera/stream", "got a camera or a stream"),
        ("0", "got a camera or a stream"),
        ("-", "nothing is read from stdin"),
        ("pics/*.png", "take it out of its quotes"),
        ("pics/a.png", "no such file or folder"),
    ],
)
def test_what_is_no_path_is_told_what_it_seems_to_be(given, said, tmp_path):
    assert absent(given).startswith(f"{given}: ") and said in absent(given)
    with pytest.raises(UserError) as error:
        predict_files(by_brightness(), [given], tmp_path / "out")
    assert str(error.value) == absent(given)
    assert not (tmp_path / "out").exists()


def test_a_video_names_what_makes_pictures_of_it():
    assert "ffmpeg -i" in no_picture(Path("a.MP4"))
    assert "convert" in no_picture(Path("a.png"))


def test_pictures_of_other_kinds_are_counted_and_named(tmp_path):
    (tmp_path / "pics/inner").mkdir(parents=True)
    Image.fromarray(np.zeros((5, 7, 3), "uint8")).save(tmp_path / "pics/a.png")
    for name in ("b.gif", "c.HEIC", "d.mp4", "e.avif", "inner/f.mov", "notes.txt"):
        (tmp_path / "pics" / name).write_bytes(b"x")
    result = predict_files(by_brightness(), [tmp_path / "pics"], tmp_path / "out")
    assert len(result.written) == 1 and not result.errors
    assert [note.split(": ", 1)[1] for note in result.notes] == [
        "4 left out, whose kind is not read: b.gif, c.HEIC, d.mp4, ...",
        "1 left out, whose kind is not read: f.mov",
    ]
