"""Exports of a network whose answer is known, for the tests of each format."""

import json

import numpy as np
import pytest

from hyperseg_tf import export, visualise
from hyperseg_tf.base.pixels import normalise
from hyperseg_tf.export.formats import OUTPUTS
from hyperseg_tf.export.runtime import Runtime
from tests.tiny_segmenter import COLOURS, by_brightness

SIZE = (33, 47)

# All, but only one in the quick tests.
SOME_OUTPUTS = [
    output if output == "overlay" else pytest.param(output, marks=pytest.mark.slow)
    for output in OUTPUTS
]


def written(name, out, **choice):
    """The export of `by_brightness` at `out`, compared as it was written."""
    choice = {"size": SIZE, **choice}
    return export.write(by_brightness(), name, out, **choice)


def pictures(count=1, size=SIZE):
    return np.random.default_rng(3).integers(0, 256, (count, *size, 3), np.uint8)


def answer(name, path, images):
    with Runtime(name, path) as runtime:
        return runtime(images)


def expected(images, output):
    logits = np.asarray(by_brightness()(normalise(images)))
    best = logits.argmax(-1).astype(np.uint8)
    if output == "logits":
        return logits
    if output == "probabilities":
        odds = np.exp(logits)
        return odds / odds.sum(-1, keepdims=True)
    if output == "class_map":
        return best
    pairs = zip(images, best, strict=True)
    return np.stack([visualise.overlay(i, b, COLOURS) for i, b in pairs])


def assert_answers(name, path, output, images):
    found = answer(name, path, images)
    wanted = expected(images, output)
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    if output in ("class_map", "overlay"):
        assert (np.abs(found.astype(int) - wanted) <= 1).all()
        assert (found == wanted).mean() > 0.999
        assert len(np.unique(found)) > 1
    else:
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def assert_facts(inside, beside):
    """What is in the file's own metadata is what lies beside it."""
    inside, beside = json.loads(inside), json.loads(beside.read_text())
    assert inside == beside
    assert [row["name"] for row in inside["classes"]] == ["dark", "bright", "never"]
    assert inside["classes"][0]["colour"] == list(COLOURS[0])
    assert inside["size"] == list(SIZE) and inside["bounds"]["agreement"] == 0.9999
    assert len(inside["weights_sha256"]) == 64
