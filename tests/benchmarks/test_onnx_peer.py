import numpy as np
import pytest
import torch

from benchmarks import network_weights
from benchmarks.peers import onnx_hyperseg, torch_hyperseg


@pytest.mark.slow
def test_every_part_returns_what_the_part_in_pytorch_returns():
    model = torch_hyperseg.build("hyperseg_s_camvid")
    model.load_state_dict(
        {
            name: torch.from_numpy(network_weights.draw(name, tuple(value.shape)))
            for name, value in model.state_dict().items()
        }
    )
    image = network_weights.image(64, 192).transpose(0, 3, 1, 2)
    image = torch.from_numpy(image.copy())
    with torch.inference_mode():
        *features, head = model.backbone(image)
        signal = model.weight_mapper(head)
        want = {
            "network": [model(image)],
            "backbone": [*features, head],
            "head": [signal],
            "decoder": [model.decoder([image, *features], signal)],
        }
    steps = onnx_hyperseg.sessions(model, image, threads=1)
    assert set(steps) == set(want)
    for part, step in steps.items():
        for found, expected in zip(step(), want[part], strict=True):
            scale = float(expected.abs().max())
            np.testing.assert_allclose(
                found, expected, atol=5e-5 * scale, rtol=0, err_msg=part
            )
