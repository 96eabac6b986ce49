import argparse

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.cli import data as command
from pipelines import load_sample, open_dataset
from tests.pipelines.folders import write_two_classes


@pytest.fixture
def folder(tmp_path):
    return write_two_classes(tmp_path)


def run(*arguments):
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers())
    args = parser.parse_args(["data", *map(str, arguments)])
    return args.run(args)


def test_command_lists_all_findings_one_per_line_and_exits_with_2(folder, capsys):
    (folder / "train/images/a.png").write_bytes(b"")
    (folder / "val/images/b.png").write_bytes(b"x")
    (folder / "val/labels/c.png").unlink()
    assert run("check", folder) == 2
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 3
    assert "train/images/a.png" in out[0]
    assert "val/images/c.png: every image has a label" in out[1]
    assert "val/images/b.png" in out[2]


def test_command_says_what_is_wrong_with_the_whole_folder_once(folder, capsys):
    (folder / "classes.csv").unlink()
    assert run("check", folder) == 2
    (line,) = capsys.readouterr().out.splitlines()
    assert "classes.csv" in line


def test_command_prints_shares_when_all_is_well(folder, capsys):
    assert run("check", folder) == 0
    out = capsys.readouterr().out
    assert "train: 3 pairs, index masks, all sound" in out
    assert "70.000 %" in out and "30.000 %" in out and "16.667 %" in out


def test_command_draws_samples(folder, tmp_path, capsys):
    out = tmp_path / "new" / "pictures"
    assert run("show", folder, "--out", out, "--count", "2") == 0
    paths = capsys.readouterr().out.split()
    assert len(paths) == len(list(out.iterdir())) == 2
    picture = np.asarray(Image.open(paths[0]))
    image = load_sample(open_dataset(folder, "train"), 0)["image"]
    np.testing.assert_array_equal(picture[1, 3], image[1, 3])  # void: left bare
    blended = (image[0, 0].astype(int) + (10, 20, 30)) / 2
    assert np.abs(picture[0, 0] - blended).max() <= 1
    assert picture.shape[0] > 3
