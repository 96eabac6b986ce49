import gzip

import numpy as np
import pytest

from hyperseg_tf import cli, load
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.compression import files
from hyperseg_tf.compression.files import cluster_file, deflated
from hyperseg_tf.compression.kernels import kernels
from tests.tiny_segmenter import random_hyperseg


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    random_hyperseg().save(path)
    return path


@pytest.mark.slow
def test_the_command_writes_a_model_that_compresses(model_file, tmp_path, capsys):
    out = tmp_path / "small.keras"
    words = ["cluster", str(model_file), "--out", str(out), "--clusters", "4"]
    assert cli.main(words) == 0
    size, zipped = out.stat().st_size, deflated(out)
    line = f"{out}: {size:,} bytes, {zipped:,} in a zip\n"
    assert capsys.readouterr().out == line
    assert zipped < deflated(model_file) / 5
    for kernel in kernels(load(out), 1000):
        assert len(np.unique(np.asarray(kernel.variable))) <= 4
    before = out.read_bytes()
    assert cli.main(words) == 2
    assert "is not overwritten" in capsys.readouterr().err
    assert out.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("clusters, rule", [(1, "in 2..256: got 1"), (4, "ends in")])
def test_a_mistake_leaves_nothing(clusters, rule, model_file, tmp_path, capsys):
    out = tmp_path / ("a.keras" if clusters == 1 else "a.h5")
    words = ["cluster", str(model_file), "--out", str(out), "--clusters", str(clusters)]
    assert cli.main(words) == 2
    assert rule in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_without_the_toolkit_the_model_is_not_read(tmp_path, monkeypatch):
    def missing():
        raise UserError("install it")

    monkeypatch.setattr(files, "toolkit", missing)
    with pytest.raises(UserError, match="install it"):
        cluster_file(tmp_path / "no.keras", tmp_path / "a.keras")


def test_a_size_in_a_zip_is_that_of_gzip_but_for_its_header(tmp_path):
    contents = np.random.default_rng(0).integers(0, 9, 3_000_000, "uint8").tobytes()
    (tmp_path / "file").write_bytes(contents)
    size = len(gzip.compress(contents, 9))
    assert abs(deflated(tmp_path / "file") - size) < 20
