import json

from hyperseg_tf.export.signature import describe, write_classes
from tests.tiny_segmenter import COLOURS, NAMES, by_brightness


def test_the_table_has_index_name_and_colour_of_every_class_and_void(tmp_path):
    model = by_brightness()
    facts = describe(model)
    assert facts["classes"] == [
        {"index": i, "name": name, "colour": list(colour)}
        for i, (name, colour) in enumerate(zip(NAMES, COLOURS, strict=True))
    ]
    assert facts["void"] == 255 and facts["model"] == "by_brightness"
    assert "tensorflow" in facts["versions"]
    write_classes(model, tmp_path / "deep" / "classes.json")
    assert json.loads((tmp_path / "deep" / "classes.json").read_text()) == facts


def test_a_model_that_knows_no_names_gets_numbers():
    facts = describe(by_brightness(names=None))
    assert [row["name"] for row in facts["classes"]] == [
        "class 0",
        "class 1",
        "class 2",
    ]
    assert facts["trained_on"] is None
