import sys
from importlib import metadata

import numpy as np

import hyperseg_tf
from hyperseg_tf.base.versions import versions


def test_versions_are_those_that_run():
    found = versions()
    assert found["hyperseg_tf"] == hyperseg_tf.__version__
    assert found["numpy"] == np.__version__
    assert found["python"] == sys.version.split()[0]
    assert {"keras", "tensorflow", "pillow"} <= set(found)


def test_package_that_is_missing_is_left_out(monkeypatch):
    def version(package):
        if package == "tensorflow":
            raise metadata.PackageNotFoundError(package)
        return "7"

    monkeypatch.setattr(metadata, "version", version)
    found = versions()
    assert found["keras"] == "7" and "tensorflow" not in found
