import json

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf import cli
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.inspection.folder import check_out, write
from hyperseg_tf.inspection.pictures import PICTURES

FILES = sorted([*(f"{name}.png" for name in PICTURES), "inspection.json"])


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_what_is_written_is_what_was_found(found, tmp_path):
    written = write(found, tmp_path / "out")
    assert written == [tmp_path / "out" / name for name in FILES]
    text = (tmp_path / "out" / "inspection.json").read_text()
    assert json.loads(text) == json.loads(json.dumps(found.facts()))
    with pytest.raises(UserError, match="--overwrite"):
        write(found, tmp_path / "out")
