import re

import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.network.model_file import load
from hyperseg_tf.network.no_model import no_model


def test_what_is_there_instead_of_a_model_is_named(tmp_path):
    def folder(name, *files):
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).write_text("x")
        return tmp_path / name

    def file(name):
        (tmp_path / name).write_text("x")
        return tmp_path / name

    run = folder("best", "model.keras", "run.json")
    (tmp_path / "link.keras").symlink_to("nowhere")
    for path, said in (
        ("https://example.org/m.keras", "is an address; download"),
        ("https:/example.org/m.keras", "is an address; download"),
        ("~/none/m.keras", "begins with ~"),
        ("hyperseg_tiny", "is an architecture.* --preset hyperseg_tiny"),
        ("hyperseg_tinny", "does not exist; did you mean hyperseg_tiny?"),
        (folder("served", "saved_model.pb"), "is a SavedModel"),
        (folder("begun", "run.json", "latest.keras"), "first epoch"),
        (folder("begun2", "run.json"), "is a run without a model.keras"),
        (folder("kept", "a.keras"), "name a file in it: .*a.keras"),
        (folder("empty"), "is a folder without"),
        (run / "run.json", "is another file of a run; name .*best/model.keras"),
        (file("a.onnx"), "is an export"),
        (file("a.pth"), "hyperseg-tf convert .*a.pth"),
        (file("a.h5"), "weights alone"),
        (file("a.png"), "is a picture"),
        (file("notes"), "is none"),
        (tmp_path / "link.keras", "is a link to nowhere"),
        (tmp_path / "bst", "does not exist; did you mean .*best?"),
        (tmp_path / "no" / "m.keras", "does not exist; correct the path"),
    ):
        assert re.search(said, no_model(path)), (path, no_model(path))
        with pytest.raises(UserError, match=said):
            load(path)
