import argparse
import json
import os

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.cli import data as command
from hyperseg_tf.pipelines import load_sample, open_dataset
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


@pytest.mark.slow
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


def test_all_that_check_knows_is_written_as_json(folder, tmp_path, capsys):
    assert run("check", folder, "--json", tmp_path / "x.json") == 0
    capsys.readouterr()
    assert run("check", folder, "--json") == 0
    out = capsys.readouterr().out
    data = json.loads(out)
    assert data == json.loads((tmp_path / "x.json").read_text())
    assert data["sound"] and data["findings"] == []
    train = data["splits"]["train"]
    assert train["sizes"] == [{"height": 3, "width": 4, "samples": 3}]
    assert train["classes"][1] == {
        "name": "car",
        "pixels": 9,
        "share": 0.3,
        "weight": pytest.approx(15 / 9),
    }
    assert train["void_pixels"] == 6
    (folder / "val/images/b.png").write_bytes(b"x")
    assert run("check", folder, "--json") == 2
    data = json.loads(capsys.readouterr().out)
    assert not data["sound"] and "val/images/b.png" in data["findings"][0]


def test_advice_is_about_the_recipe_that_is_named(folder, capsys):
    assert run("check", folder, "--recipe", "camvid12_hyperseg_s") == 0
    captured = capsys.readouterr()
    assert "smaller than the crop of 576x576" in captured.err
    assert "advice" not in captured.out


@pytest.mark.slow
def test_labels_are_read_by_a_rule_in_check_and_show(folder, tmp_path, capsys):
    for path in folder.glob("*/labels/*.png"):
        label = np.asarray(Image.open(path))
        Image.fromarray(np.where(label == 1, 77, label)).save(path)
    assert run("check", folder) == 2
    assert "77" in capsys.readouterr().out
    rules = ("--read-labels", "0=0,77=1,9=void")
    assert run("check", folder, *rules) == 0
    assert run("show", folder, "--out", tmp_path / "x", *rules) == 0


def test_command_says_what_a_folder_is_taken_for(folder, tmp_path, capsys):
    assert run("detect", folder) == 0
    out = capsys.readouterr().out
    assert out.startswith("own folder (") and "splits: train, val" in out
    (tmp_path / "train").rename(tmp_path / "x")
    (tmp_path / "val").rename(tmp_path / "y")
    assert run("detect", tmp_path) == 2
    out = capsys.readouterr().out
    assert out.startswith("no known layout: found classes.csv, x/, y/\n")
    assert "  Cityscapes: leftImg8bit/" in out and "misses train/images" in out


def test_command_converts_a_folder_and_says_how_many(folder, tmp_path, capsys):
    out = tmp_path / "new"
    assert run("convert", folder, "--out", out) == 0
    assert capsys.readouterr().out == f"{out}: 3 train, 3 val\n"
    assert len(list((out / "val/labels").iterdir())) == 3


def test_command_notes_what_was_left_out_beside_the_result(folder, capsys):
    (folder / "train/labels/Thumbs.db").write_bytes(b"x")
    assert run("check", folder) == 0
    assert "note: " in capsys.readouterr().err


def test_files_that_passed_are_read_again_on_demand_only(
    folder, tmp_path_factory, monkeypatch, capsys
):
    place = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr("hyperseg_tf.pipelines.verdicts.folder", lambda: place)
    for path in folder.rglob("*.png"):
        os.utime(path, ns=(1, 1))
    notes = []
    for options in ((), (), ("--again",)):
        assert run("check", folder, "--split", "train", *options) == 0
        notes.append("note: 3 of train are as at an" in capsys.readouterr().err)
    assert notes == [False, True, False] and len(list(place.iterdir())) == 1
