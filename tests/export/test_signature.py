import hashlib
import json

import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.export.options import options
from hyperseg_tf.export.signature import facts, request_limit, write_facts
from tests.tiny_segmenter import COLOURS, NAMES, by_brightness


def test_the_table_has_index_name_and_colour_of_every_class_and_void(tmp_path):
    found = facts(by_brightness(), options("saved_model"))
    assert found["classes"] == [
        {"index": i, "name": name, "colour": list(colour)}
        for i, (name, colour) in enumerate(zip(NAMES, COLOURS, strict=True))
    ]
    assert found["void"] == 255 and found["model"] == "by_brightness"
    assert "tensorflow" in found["versions"]
    write_facts(found, tmp_path / "deep" / "classes.json")
    assert json.loads((tmp_path / "deep" / "classes.json").read_text()) == found


def test_a_model_that_knows_no_names_gets_numbers():
    found = facts(by_brightness(names=None), options("saved_model"))
    names = [row["name"] for row in found["classes"]]
    assert names == ["class 0", "class 1", "class 2"]
    assert found["trained_on"] is None


def test_the_facts_say_what_was_asked_for_and_from_which_file(tmp_path):
    source = tmp_path / "model.keras"
    source.write_bytes(b"weights")
    found = facts(by_brightness(), options("onnx", size=(64, 96)), source)
    assert (found["size"], found["batch"]) == ((64, 96), "free")
    assert (found["output"], found["precision"]) == ("logits", "float32")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert found["source"] == {"file": "model.keras", "sha256": digest}
    assert "max_pixels" not in found


def test_the_hash_of_the_weights_changes_with_one_of_them():
    model = by_brightness()
    before = facts(model, options("onnx"))["weights_sha256"]
    assert facts(by_brightness(), options("onnx"))["weights_sha256"] == before
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, bias + [0, 0, 1e-6]])
    assert facts(model, options("onnx"))["weights_sha256"] != before


def test_a_request_holds_two_of_the_smallest_pictures():
    limit = request_limit(by_brightness(), 2048)
    assert limit.holds(32, 64) and not limit.holds(33, 64)
    with pytest.raises(UserError, match="at least 2048.*got 2047"):
        request_limit(by_brightness(), 2047)
