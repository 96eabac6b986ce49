"""The notebooks of the documentation run from top to bottom, and say what they show."""

import json
import re

import pytest

from tests.run_notebooks import NOTEBOOKS, executed

# Kept outputs are small: they travel with every clone.
_LARGEST_BYTES = 400_000


def _texts(cell):
    """What the outputs of a cell say."""
    for output in cell.get("outputs", ()):
        yield "".join(output.get("text", ""))
        yield "".join(output.get("data", {}).get("text/plain", ""))


def test_there_are_notebooks_with_an_output_for_each_program():
    assert len(NOTEBOOKS) == 2
    for path in NOTEBOOKS:
        assert path.stat().st_size < _LARGEST_BYTES, path
        cells = json.loads(path.read_text("utf-8"))["cells"]
        outputs = [out for cell in cells for out in cell.get("outputs", ())]
        assert len(outputs) > 2, f"{path}: execute it and save what it shows"
        for output in outputs:
            assert output["output_type"] != "error", path
            assert output.get("name") != "stderr", path
        text = path.read_text("utf-8")
        assert not re.search(r"/(home|tmp|root|work)/", text), f"{path}: a path"


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path):
    """A cell that fails raises, with its traceback."""
    said = "\n".join(
        text
        for cell in executed(path, tmp_path).cells
        if cell.cell_type == "code"
        for text in _texts(cell)
    )
    if path.stem == "dpwconv":
        left = dict(re.findall(r"(dynamic|static): ([\d.]+) % of the target", said))
        assert float(left["dynamic"]) < 0.2 * float(left["static"])
    else:
        assert "mIoU" in said and "usual: 50 %" in said and "saved_model.pb" in said
