import subprocess
import sys

import pytest

from hyperseg_tf import export
from hyperseg_tf.base.errors import UserError
from tests.tiny_segmenter import by_brightness


def test_unknown_formats_name_the_known_ones(tmp_path):
    with pytest.raises(UserError, match=r"saved_model.*'coreml'"):
        export.write(by_brightness(), "coreml", tmp_path / "out")


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        export.write(tmp_path / "nowhere.keras", "saved_model", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_naming_the_formats_needs_no_tensorflow():
    code = "import sys, hyperseg_tf.export; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
