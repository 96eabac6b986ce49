from dataclasses import replace

import numpy as np
import pytest
import torch

from hyperseg_tf import cli, load, presets
from hyperseg_tf.convert import keras_to_pth, pth_to_keras
from hyperseg_tf.convert.released import arch
from hyperseg_tf.convert.released import entries as released
from tests.convert.checkpoints import assert_same, rows_of
from tests.golden import golden_dir


@pytest.fixture
def known_small(small, monkeypatch):
    """The small network is a named preset, with another class count."""
    known = {**presets.PRESETS, "small": replace(small.preset, num_classes=12)}
    monkeypatch.setattr(presets, "PRESETS", known)


@pytest.mark.slow
def test_a_report_says_which_tensor_is_wrong(
    small, state, known_small, tmp_path, capsys
):
    images = np.random.default_rng(1).normal(size=(1, 64, 64, 3)).astype("float32")
    taps = small.taps()(images, training=False)
    stored = {f"a/{k}": np.asarray(v).transpose(0, 3, 1, 2) for k, v in taps.items()}
    np.savez(tmp_path / "a.npz", **{"a/image": images.transpose(0, 3, 1, 2)}, **stored)
    state["decoder.level_4.0.bn3.bias"][2] += float(np.abs(stored["a/level_4"]).max())
    text = arch.write(small.preset)
    torch.save(
        {"state_dict": state, "arch": text},
        tmp_path / "a.pth",
        _use_new_zipfile_serialization=False,
    )
    words = ["convert", str(tmp_path / "a.pth"), "--out", str(tmp_path / "a.keras")]
    words += ["--report", str(tmp_path / "a.md")]
    words += ["--activations", str(tmp_path / "a.npz")]
    assert cli.main(words) == 1
    printed = capsys.readouterr()
    assert printed.out.split() == [str(tmp_path / "a.keras"), str(tmp_path / "a.md")]
    assert "2 tensors are beyond the tolerance, first a/level_4" in printed.err
    assert printed.err.count("\n") == 1 and (tmp_path / "a.keras").exists()
    rows = rows_of(tmp_path / "a.md")
    assert len(rows) == len(stored)
    assert [row[1] for row in rows if row[-1] == "**no**"] == ["level_4", "logits"]


@pytest.mark.slow
def test_a_report_without_activations_lists_every_entry(small, small_file, tmp_path):
    written = pth_to_keras(
        small_file, tmp_path / "a.keras", small.preset, tmp_path / "a.md"
    )
    assert written.report == tmp_path / "a.md" and written.failed == ()
    lines = (tmp_path / "a.md").read_text().splitlines()
    assert lines[0] == "# small.pth as small"
    rows = [
        line for line in lines if line.startswith(("| backbone", "| decoder", "| w"))
    ]
    assert len(rows) == len(list(released.entries(small)))
    assert (
        "| backbone._conv_stem.weight | 32x3x3x3 | float32 | stem_conv/kernel |" in rows
    )
    assert_same(load(tmp_path / "a.keras"), small)
    keras_to_pth(tmp_path / "a.keras", tmp_path / "b.pth")
    assert (tmp_path / "b.pth").read_bytes() == small_file.read_bytes()


@pytest.mark.slow
def test_the_command_refuses_what_makes_no_sense(small_file, tmp_path, capsys):
    path, out = str(small_file), str(tmp_path / "a.keras")
    (tmp_path / "there.keras").write_bytes(b"mine")
    there = str(tmp_path / "there.keras")
    gold = str(golden_dir() / "camvid_hyperseg_s.npz")
    before = sorted(tmp_path.iterdir())
    for words, rule in (
        ([path, "--out", str(tmp_path / "a.h5")], "ends in .keras"),
        ([path, "--out", there], "is not overwritten"),
        ([path, "--out", out, "--report", there], "is not overwritten"),
        ([path, "--out", out, "--activations", gold], "--report"),
        ([path, "--out", out], "no preset is like it"),
        ([path, "--out", out, "--preset", "hyperseg_s_camvid"], "backbone is"),
        ([str(tmp_path / "no.pth"), "--out", out], "is no file"),
        ([there, "--out", out], "begins like no file of torch.save"),
        ([path, "--to-pth", "--out", str(tmp_path / "a.pth")], "a file of PyTorch"),
        ([there, "--to-pth", "--out", out], "ends in .pth"),
        ([there, "--to-pth", "--out", "a.pth", "--preset", "x"], "got --preset"),
        ([there, "--to-pth", "--out", "a.pth", "--report", "x"], "got --report"),
        ([there, "--half", "--out", out], "must be a .keras file"),
        ([there, "--half", "--out", str(tmp_path / "a.pth")], "ends in .keras"),
        ([there, "--half", "--out", there], "is not overwritten"),
        ([there, "--half", "--out", out, "--report", "x"], "--half needs nothing but"),
    ):
        assert cli.main(["convert", *words]) == 2, words
        printed = capsys.readouterr()
        assert rule in printed.err and printed.err.count("\n") == 1, printed.err
        assert printed.out == ""
    assert sorted(tmp_path.iterdir()) == before
