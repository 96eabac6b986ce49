import subprocess
import sys

import pytest

from hyperseg_tf.network import initial_weights
from hyperseg_tf.network.model import HyperSeg
from hyperseg_tf.presets import get


class Constant:
    """Reads the source "ones", for a backbone that pads by fixed amounts."""

    def padding_of(self, source, preset):
        return "static"

    def load_weights(self, model, source):
        assert source == "ones"
        model.set_weights([w * 0 + 1 for w in model.get_weights()])
        return "weights: all 1"


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(initial_weights, "_registered", [])
    return initial_weights.register


@pytest.mark.slow
def test_a_model_asks_the_registered_reader_for_padding_and_values(registered):
    registered(Constant())
    model = HyperSeg.from_preset("hyperseg_tiny", weights="ones")
    assert get("hyperseg_tiny").backbone_padding == "same"
    assert model.preset.backbone_padding == "static"
    assert all((w == 1).all() for w in model.get_weights())
    model = HyperSeg.from_preset("hyperseg_tiny", "ones", backbone_padding="same")
    assert model.preset.backbone_padding == "same"


def test_without_a_reader_the_error_says_what_to_import(registered):
    with pytest.raises(RuntimeError, match=r"hyperseg_tf.convert.*import it"):
        HyperSeg.from_preset("hyperseg_tiny", weights="imagenet")
    assert HyperSeg.from_preset("hyperseg_tiny").preset == get("hyperseg_tiny")


@pytest.mark.slow
@pytest.mark.parametrize(
    "first",
    [
        "from hyperseg_tf import HyperSeg",
        "import hyperseg_tf.convert",
        "import hyperseg_tf.training.train",
    ],
)
def test_the_public_name_and_training_bring_the_reader(first):
    code = f"{first}; from hyperseg_tf.network import initial_weights as it"
    code += "; print(it.reader().__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "hyperseg_tf.convert.sources\n", done.stderr
