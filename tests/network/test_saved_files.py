"""Models saved by earlier versions still load: their config, and where weights lie."""

import hashlib
import json
import zipfile

import h5py
import keras
import numpy as np
import pytest

import hyperseg_tf

# Of a file that was saved when the model's module was hyperseg_tf/model.py.
EARLIER = {"module": "hyperseg_tf.model", "class_name": "HyperSeg"}
EARLIER |= {"registered_name": "hyperseg_tf>HyperSeg", "compile_config": {}}
EARLIER |= {"build_config": {"input_shape": None}}

# Number and digest of the lines "path shape dtype" of all weights in a file; what is
# saved at other places is not found by those who load it.
WEIGHTS = {
    ("hyperseg_tiny", False): (271, "236b72d48ca2c234"),
    ("hyperseg_tiny", True): (130, "87bb79af2f184d4b"),
    ("hyperseg_s_camvid", False): (518, "edc72b744fcffdc3"),
    ("hyperseg_s_camvid_without_dpwconv", False): (522, "81aa1a4bb019a28f"),
    ("hyperseg_s_camvid_pspnet18", False): (181, "364ceb7d4eeb9081"),
    ("hyperseg_m_cityscapes", True): (258, "30d5a2717cf9d5cc"),
    ("hyperseg_s_cityscapes", False): (512, "497cf7d34e93dddf"),
    ("hyperseg_l_voc", False): (601, "9b760e3b8cb0a2b8"),
}


def _saved(name, folded, folder):
    keras.utils.set_random_seed(0)
    model = hyperseg_tf.HyperSeg.from_preset(name)
    model = model.fold() if folded else model
    path = folder / "model.keras"
    model.save(path)
    return model, path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "folded"),
    WEIGHTS,
)
def test_weights_lie_where_earlier_files_have_them(name, folded, tmp_path):
    _, path = _saved(name, folded, tmp_path)
    with zipfile.ZipFile(path) as archive:
        archive.extract("model.weights.h5", tmp_path)
    lines = []

    def note(place, item):
        if isinstance(item, h5py.Dataset):
            lines.append(f"{place} {'x'.join(map(str, item.shape))} {item.dtype}")

    with h5py.File(tmp_path / "model.weights.h5") as file:
        file.visititems(note)
    digest = hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
    assert (len(lines), digest[:16]) == WEIGHTS[name, folded]


@pytest.mark.slow
@pytest.mark.parametrize("folded", [False, True])
def test_a_config_of_an_earlier_file_loads_to_the_same_logits(folded, tmp_path):
    model, path = _saved("hyperseg_tiny", folded, tmp_path)
    images = np.random.default_rng(1).normal(size=(1, 70, 33, 3)).astype("float32")
    old = tmp_path / "old.keras"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(old, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "config.json":
                data = json.dumps({**EARLIER, "config": json.loads(data)["config"]})
            target.writestr(name, data)
    found = hyperseg_tf.load(old)(images, training=False)
    np.testing.assert_array_equal(found, model(images, training=False))
