"""A network of its own for all that does not need a published one."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hyperseg_tf import HyperSeg, presets
from hyperseg_tf.convert import to_pth


@pytest.fixture(scope="session")
def small():
    """A fresh B0 with 3 classes, an architecture that the authors' code can build."""
    preset = replace(
        presets.get("hyperseg_s_camvid"),
        name="small",
        num_classes=3,
        image_size=(64, 96),
        backbone="efficientnet-b0",
        backbone_padding="static",
    )
    model = HyperSeg(preset)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if weight.name not in ("kernel", "bias"):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape).astype("float32"))
    return model


@pytest.fixture(scope="session")
def small_file(small, tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "small.pth"
    to_pth(small, path)
    return path


@pytest.fixture
def state(small_file):
    return torch.load(small_file, weights_only=True)["state_dict"]


@pytest.fixture(scope="session")
def _other(small):
    return HyperSeg(small.preset)


@pytest.fixture
def other(_other):
    """A model like the small one with other weights, to be filled."""
    _other.set_weights([weight + 1 for weight in _other.get_weights()])
    classes = [f"class {i}" for i in range(_other.preset.num_classes)]
    _other.set_metadata({"classes": classes})
    return _other
