import subprocess
import sys
from pathlib import Path

import pytest

import hyperseg_tf

ROOT = Path(__file__).parents[1]
NAMES = {
    "DPWConv",
    "HyperSeg",
    "Preset",
    "Segmenter",
    "UserError",
    "__version__",
    "evaluate",
    "load",
    "predict",
    "train",
}


def test_the_public_names_are_these_few_and_exist():
    assert set(hyperseg_tf.__all__) == NAMES
    assert dir(hyperseg_tf) == sorted(NAMES)
    for name in NAMES:
        assert getattr(hyperseg_tf, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Segmentor'"):
        hyperseg_tf.Segmentor  # noqa: B018


@pytest.mark.parametrize("name", sorted(NAMES - {"__version__"}))
def test_readme_or_an_example_uses_every_name(name):
    texts = [ROOT / "README.md", *(ROOT / "examples").glob("*.py")]
    assert any(name in path.read_text("utf-8") for path in texts)


def test_importing_the_library_loads_nothing():
    code = (
        "import sys, hyperseg_tf\n"
        "print([m for m in sys.modules if m.partition('.')[0] in "
        "('keras', 'tensorflow', 'numpy')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout == "[]\n"
