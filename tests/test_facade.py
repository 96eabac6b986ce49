import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import hyperseg_tf
from hyperseg_tf.training.losses import CrossEntropy
from hyperseg_tf.training.optimizer import PartedAdam
from hyperseg_tf.training.schedules import PolyDecay
from tests.tiny_segmenter import random_hyperseg

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
    "predict_files",
    "preprocess",
    "register",
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


def test_type_hints_and_defaults_of_public_functions_are_public():
    for name in NAMES - {"__version__", "UserError"}:
        public = getattr(hyperseg_tf, name)
        if isinstance(public, type) and issubclass(public, Exception):
            continue  # what it takes is Python's
        for parameter in inspect.signature(public).parameters:
            assert not parameter.startswith("_"), name


@pytest.mark.slow
@pytest.mark.parametrize(
    "imports",
    [
        "import hyperseg_tf, keras",
        "import keras, hyperseg_tf",
        pytest.param(
            "import hyperseg_tf; hyperseg_tf.load; import keras", marks=pytest.mark.grid
        ),
        "from hyperseg_tf.base import errors; import keras",
    ],
)
def test_keras_loads_models_in_whichever_order_both_are_imported(imports, tmp_path):
    model = random_hyperseg()
    model.save(tmp_path / "model.keras")
    model.compile(PartedAdam(PolyDecay(1e-3, 1.0, 5)), CrossEntropy())
    model.save(tmp_path / "latest.keras")
    code = (
        f"{imports}\n"
        "for name in ('model', 'latest'):\n"
        f"    model = keras.models.load_model({str(tmp_path)!r} + f'/{{name}}.keras')\n"
        "    optimizer = getattr(model, 'optimizer', None)\n"
        "    print(type(model).__name__, type(optimizer).__name__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout == "HyperSeg NoneType\nHyperSeg PartedAdam\n", done.stderr
