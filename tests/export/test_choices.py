import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.export.choices import choices
from hyperseg_tf.export.formats import FORMATS


def test_all_is_every_format_in_every_precision():
    found = choices("all")
    assert len(found) == len(set(found))
    assert len(found) == sum(len(one.precisions) for one in FORMATS.values())
    assert found[0] == ("saved_model", "float32") and ("onnx", "int8") in found


def test_a_format_without_a_precision_is_in_float32():
    wanted = [("tflite", "float32"), ("onnx", "int8")]
    for names in ("tflite,onnx:int8", "tflite, onnx:int8", ["tflite", "onnx:int8"]):
        assert choices(names) == wanted
    assert choices("tflite,tflite:float32") == wanted[:1]
    assert [one.quantized for one in choices("tflite,onnx:int8")] == [False, True]


@pytest.mark.parametrize("names", ["", "tf", "onnx:", "onnx:float16", "all,onnx", []])
def test_what_is_not_offered_is_refused_with_what_is(names):
    with pytest.raises(UserError, match=r"'all' or some of .*tflite\[:float32\|.*got"):
        choices(names)
