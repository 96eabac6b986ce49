import numpy as np
import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.export import runtime
from hyperseg_tf.export.runtime import Runtime

_ECHO = """
import sys
def open_export(path, threads):
    print("libraries print")
    if path == "bad":
        raise ValueError("this is no model")
    import numpy as np
    def run(images):
        if path == "imports":
            import hyperseg_tf
        return images[..., 0].astype(np.int64) + threads
    return run
"""


@pytest.fixture(autouse=True)
def echo(tmp_path, monkeypatch):
    """A format whose answer is the first channel."""
    run = runtime._RUN.read_text()
    (tmp_path / "run.py").write_text(run)
    (tmp_path / "echo.py").write_text(_ECHO)
    monkeypatch.setattr(runtime, "_RUN", tmp_path / "run.py")


def test_pictures_go_out_and_answers_come_back():
    with Runtime("echo", "good", 3) as running:
        assert running.load_seconds >= 0
        for shape in ((1, 2, 3, 3), (2, 300, 500, 3), (0, 5, 5, 3)):
            images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
            found = running(images)
            assert found.dtype == np.int64
            assert (found == images[..., 0].astype(int) + 3).all()
        assert running.cost.seconds >= 0 and running.cost.peak_mb > 1


def test_the_peak_is_of_the_runtime_and_not_of_whoever_started_it():
    mine = np.ones(2**28, np.uint8)
    with Runtime("echo", "good") as running:
        running(np.zeros((1, 2, 2, 3), np.uint8))
        assert running.cost.peak_mb < mine.nbytes / 2**20


def test_what_does_not_load_says_why():
    with pytest.raises(UserError, match="must load .*echo.*this is no model"):
        Runtime("echo", "bad")


def test_the_project_cannot_be_imported_there():
    images = np.zeros((1, 2, 2, 3), np.uint8)
    with Runtime("echo", "imports") as running:
        with pytest.raises(UserError, match="must run .*hyperseg_tf"):
            running(images)
    with Runtime("echo", "imports", project=True) as running:
        assert running(images).shape == (1, 2, 2)
