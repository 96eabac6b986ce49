"""Not TensorFlow Serving, but what it is built on: loader and session of C++."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hyperseg_tf import export
from tests.base.exif import entry, exif, jpeg_with, png_with
from tests.tiny_segmenter import random_hyperseg

# Of the spread: the other loader of Python adds in another order.
TOLERANCE = 1e-3


@pytest.mark.slow
def test_the_c_loader_gives_the_bits_of_the_python_loader(tmp_path):
    """Bits of the loader for sessions; that for functions adds in another order."""
    import tensorflow as tf

    model, base = random_hyperseg(), tmp_path / "road"
    folder = export.write(model, out=base, version=1, verify=False)
    images = np.random.default_rng(0).integers(0, 256, (2, 45, 39, 3), np.uint8)
    turned = exif(">", entry(">", 0x0112, 3, 1, 6))
    files = [jpeg_with(turned, size=(40, 67)), png_with(size=(33, 50))]
    given = {
        "serving_default": images.astype(np.float32),
        "serve_uint8": images,
        "serve_bytes": np.array(files, object),
        "serve_png": np.array(files, object),
    }
    signatures, in_session = _by_session(folder, given)
    assert sorted(signatures) == sorted(given)
    in_c = _by_c(folder, given, signatures, tmp_path)
    assert len(in_c) == 8
    for name, found in in_c.items():
        assert found.dtype == in_session[name].dtype
        assert found.shape == in_session[name].shape
        assert found.ravel().tolist() == in_session[name].ravel().tolist(), name

    endpoints = tf.saved_model.load(str(folder)).signatures
    for endpoint, value in given.items():
        (key,) = endpoints[endpoint].structured_input_signature[1]
        value = tf.constant(list(value) if value.dtype == object else value)
        for name, expected in endpoints[endpoint](**{key: value}).items():
            found, expected = in_c[f"{endpoint}_{name}"], expected.numpy()
            if name in ("class_map", "png_bytes"):
                pairs = zip(_maps(found), _maps(expected), strict=True)
                assert all((a == b).mean() > 0.999 for a, b in pairs)
            else:
                limit = TOLERANCE * np.ptp(expected)
                np.testing.assert_allclose(found, expected, rtol=0, atol=limit)
    assert in_c["serve_png_sizes"].tolist() == [[67, 40], [33, 50]]


def _by_session(folder, given):
    """Signatures, and outputs by Python's session as "ENDPOINT_OUTPUT"."""
    import tensorflow as tf

    found = {}
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], str(folder))
        signatures = {name: loaded.signature_def[name] for name in loaded.signature_def}
        # What starts the variables is no endpoint.
        signatures.pop("__saved_model_init_op", None)
        for name, value in given.items():
            (node,) = signatures[name].inputs.values()
            outputs = {k: x.name for k, x in signatures[name].outputs.items()}
            for key, answer in session.run(outputs, {node.name: value}).items():
                found[f"{name}_{key}"] = answer
    return signatures, found


def _by_c(folder, given, signatures, scratch):
    """The same outputs by C."""
    import tensorflow as tf

    calls = []
    for name, value in given.items():
        np.save(scratch / f"{name}.npy", value)
        (node,) = signatures[name].inputs.values()
        outputs = {key: info.name for key, info in signatures[name].outputs.items()}
        inputs = {node.name: str(scratch / f"{name}.npy")}
        calls.append({"name": name, "inputs": inputs, "outputs": outputs})
    (scratch / "calls.json").write_text(json.dumps(calls))
    (scratch / "out").mkdir()
    program = Path(__file__).with_name("c_session.py")
    command = [sys.executable, "-I", program, Path(tf.__file__).parent, folder]
    command += [scratch / "calls.json", scratch / "out"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return {
        path.stem: np.load(path, allow_pickle=True)
        for path in (scratch / "out").iterdir()
    }


def _maps(answer):
    import tensorflow as tf

    if answer.dtype != object:
        return answer
    return [tf.io.decode_png(file).numpy()[..., 0] for file in answer]
