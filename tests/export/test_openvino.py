import openvino
import pytest

from hyperseg_tf import export
from tests.export import files
from tests.tiny_segmenter import random_hyperseg


@pytest.mark.slow
@pytest.mark.parametrize("output", files.SOME_OUTPUTS)
def test_every_output_is_the_models(output, tmp_path):
    path = files.written("openvino", tmp_path / "a.xml", output=output)
    assert (tmp_path / "a.bin").exists()
    files.assert_answers("openvino", path, output, files.pictures())
    model = openvino.Core().read_model(path)
    assert model.input("images").get_element_type() == openvino.Type.u8
    assert model.output(output).get_any_name() == output


@pytest.mark.slow
def test_the_facts_are_in_the_file_and_beside_it(tmp_path):
    path = files.written("openvino", tmp_path / "a.xml", batch=2)
    info = openvino.Core().read_model(path).get_rt_info("hyperseg_tf")
    files.assert_facts(info.astype(str), tmp_path / "a.classes.json")


@pytest.mark.slow
def test_float16_halves_the_weights(tmp_path):
    files.written("openvino", tmp_path / "a")
    files.written("openvino", tmp_path / "b", precision="float16")
    sizes = [(tmp_path / name / "model.bin").stat().st_size for name in "ab"]
    assert sizes[1] < sizes[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "size", [pytest.param((97, 131), marks=pytest.mark.grid), "free"]
)
def test_a_hypernetwork_answers_off_every_multiple(size, tmp_path):
    """Of free sizes the gate tries three, batches of two among them."""
    out = export.write(random_hyperseg(), "openvino", tmp_path / "a", size=size)
    assert (out / "parity.json").exists()
