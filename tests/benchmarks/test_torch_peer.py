import numpy as np
import pytest
import torch

from benchmarks.peers import torch_hyperseg
from tests import golden

# The peer of the benchmarks.
pytestmark = pytest.mark.grid

MODELS = {
    "hyperseg_m_cityscapes": ("cityscapes_hyperseg_m", 10_311_214),
    "hyperseg_s_camvid": ("camvid_hyperseg_s", 9_949_064),
    "hyperseg_l_camvid": ("camvid_hyperseg_l", 9_969_104),
}


@pytest.fixture(scope="module", params=MODELS)
def peer(request):
    name, count = MODELS[request.param]
    model = torch_hyperseg.build(request.param)
    weights = golden.state_dict(name)
    model.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})
    return model, golden.arrays(name), count


def assert_close(got, gold, key):
    want = gold[key] if key in gold else gold[f"{key}_stride3"]
    got = got.numpy()
    assert got.shape == tuple(gold[f"{key}_shape"])
    if key not in gold:
        got = got[:, :, ::3, ::3]
    scale = np.abs(want).max()
    error = np.abs(got - want)
    assert error.max() <= 2e-4 * scale, key
    assert error.mean() <= 5e-6 * scale, key


@pytest.mark.parametrize("case", ["a", "b"])
def test_peer_reproduces_the_reference_logits(peer, case):
    model, gold, _ = peer
    with torch.inference_mode():
        logits = model(torch.from_numpy(gold[f"{case}/image"]))
    assert_close(logits, gold, f"{case}/logits")
    best, second = logits.topk(2, dim=1).values.unbind(1)
    clear = (best - second).numpy() > 4e-4 * logits.abs().max().item()
    classes = logits.argmax(1).numpy()
    np.testing.assert_array_equal(classes[clear], gold[f"{case}/argmax"][clear])
    assert clear.mean() > 0.99


def test_peer_reproduces_features_and_signal(peer):
    model, gold, _ = peer
    with torch.inference_mode():
        *features, head = model.backbone(torch.from_numpy(gold["a/image"]))
        signal = model.weight_mapper(head)
    for i, feature in enumerate(features, start=1):
        assert_close(feature, gold, f"a/feature_{i}")
    assert_close(head, gold, "a/feature_head")
    assert_close(signal, gold, "a/signal")


def test_peer_has_the_published_number_of_parameters(peer):
    model, _, count = peer
    assert sum(p.numel() for p in model.parameters()) == count


def test_unknown_model_is_refused_with_the_known_names():
    with pytest.raises(ValueError, match="hyperseg_s_camvid.*got 'nothing'"):
        torch_hyperseg.build("nothing")
