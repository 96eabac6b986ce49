import ctypes
import sys
import types

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf import HyperSeg, export
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.export import probe, tensorrt
from tests.needed import needed
from tests.tiny_segmenter import by_brightness

SIZE = (33, 47)

# TensorRT for RTX in TensorRT's place: the same parser and builder, without a GPU.
STAND_IN = "from tensorrt_rtx_bindings import *\n__version__ = '10.99'\n"


@pytest.fixture
def builder(tmp_path, monkeypatch):
    """A machine where an engine can be built; what then runs it is not there."""
    name = "tensorrt_rtx_bindings"
    needed(name)
    folder = tmp_path / "packages"
    folder.mkdir()
    (folder / "tensorrt.py").write_text(STAND_IN)
    monkeypatch.setattr(probe, "_missing_gpu", lambda: [])
    # Monkeypatching would also take away what libraries append meanwhile.
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))


def _files(folder):
    return sorted(path.name for path in folder.iterdir())


def _pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i, image in enumerate(rng.integers(0, 256, (2, 40, 50, 3), np.uint8)):
        Image.fromarray(image).save(folder / f"{i}.png")
    return folder


def test_without_a_builder_the_onnx_file_and_the_line_are_left(tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "missing_for_tensorrt", lambda: ["a package", "a GPU"])
    out = tmp_path / "out"
    with pytest.raises(UserError, match="needs a package, and a GPU") as told:
        export.write(by_brightness(), "tensorrt", out, size=SIZE, batch="free")
    assert _files(out) == [
        "classes.json",
        "model.onnx",
        "parity.json",
        "parity.md",
        "trtexec.txt",
    ]
    line = (out / "trtexec.txt").read_text().strip()
    assert line in str(told.value) and str(out) in str(told.value)
    assert "--onnx=model.onnx" in line
    assert "--minShapes=images:1x33x47x3" in line
    assert "--maxShapes=images:4x33x47x3" in line


def test_a_free_size_is_refused(tmp_path):
    with pytest.raises(UserError, match="fixed size"):
        export.write(by_brightness(), "tensorrt", tmp_path / "out", size="free")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("precision", ("float32", "float16", "int8"))
@pytest.mark.parametrize("batch", (1, "free"))
def test_an_engine_is_built_where_nothing_is_missing(
    builder, tmp_path, precision, batch
):
    out = export.write(
        by_brightness(),
        "tensorrt",
        tmp_path / "out",
        precision=precision,
        calibrate=_pictures(tmp_path) if precision == "int8" else None,
        size=SIZE,
        batch=batch,
        verify=False,
    )
    names = ["classes.json", "engine.plan", "model.onnx", "trtexec.txt"]
    assert _files(out) == names
    assert (out / "engine.plan").stat().st_size > 1000


def test_nothing_is_written_where_tensorrt_refuses_the_network(
    builder, tmp_path, monkeypatch
):
    monkeypatch.setattr(tensorrt, "_profiles", lambda options: {})
    with pytest.raises(UserError, match="no optimization profile"):
        export.write(
            by_brightness(), "tensorrt", tmp_path / "out", size=SIZE, batch="free"
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_no_engine_appears_that_does_not_run(builder, tmp_path):
    """Here for want of TensorRT in the other process, elsewhere of the right GPU."""
    with pytest.raises(UserError, match="must load.*nothing was written"):
        export.write(by_brightness(), "tensorrt", tmp_path / "out", size=SIZE)
    assert not (tmp_path / "out").exists()


# tf2onnx takes its time for a whole network, and up to 14 GB.
@pytest.mark.parametrize(
    "preset, precision, batch",
    [
        pytest.param("hyperseg_tiny", "float32", "free", marks=pytest.mark.slow),
        pytest.param("hyperseg_tiny", "int8", 1, marks=pytest.mark.slow),
        pytest.param("hyperseg_s_camvid", "float16", 1, marks=pytest.mark.grid),
        pytest.param("hyperseg_m_cityscapes", "float32", 1, marks=pytest.mark.grid),
        pytest.param("hyperseg_l_voc", "float32", 1, marks=pytest.mark.grid),
    ],
)
def test_tensorrt_takes_the_whole_network(builder, tmp_path, preset, precision, batch):
    out = export.write(
        HyperSeg.from_preset(preset),
        "tensorrt",
        tmp_path / "out",
        precision=precision,
        calibrate=_pictures(tmp_path) if precision == "int8" else None,
        size=(129, 255),
        batch=batch,
        verify=False,
    )
    assert (out / "engine.plan").stat().st_size > 1_000_000


class Driver:
    """libcuda whose device memory is the host's."""

    def __init__(self):
        self.memory = {}

    def __getattr__(self, name):
        return lambda *arguments: 0

    def cuMemAlloc_v2(self, address, size):
        buffer = ctypes.create_string_buffer(size.value)
        address._obj.value = ctypes.addressof(buffer)
        self.memory[address._obj.value] = buffer
        return 0

    def cuMemFree_v2(self, address):
        del self.memory[address.value]
        return 0

    def cuMemcpyHtoD_v2(self, to, source, size):
        ctypes.memmove(to.value, source.value, size.value)
        return 0

    cuMemcpyDtoH_v2 = cuMemcpyHtoD_v2


class Engine:
    """The brightest channel of a pixel, as TensorRT's engine and context at once."""

    num_io_tensors = 2

    def __init__(self):
        self.addresses = {}

    def create_execution_context(self):
        return self

    def get_tensor_name(self, index):
        return ("images", "class_map")[index]

    def get_tensor_dtype(self, name):
        return "UINT8"

    def set_input_shape(self, name, shape):
        self.shape = shape

    def get_tensor_shape(self, name):
        return self.shape[:3]

    def set_tensor_address(self, name, address):
        self.addresses[name] = address

    def execute_async_v3(self, stream):
        def array(name, shape):
            count = int(np.prod(shape))
            memory = (ctypes.c_uint8 * count).from_address(self.addresses[name])
            return np.ctypeslib.as_array(memory).reshape(shape)

        images = array("images", self.shape)
        array("class_map", self.shape[:3])[:] = images.argmax(axis=-1)
        return True


def test_an_engine_is_given_pictures_and_gives_its_output(tmp_path, monkeypatch):
    from hyperseg_tf.export.runtimes import tensorrt as runtime

    driver = Driver()
    module = types.ModuleType("tensorrt")
    module.Logger = lambda level: level
    module.Logger.ERROR = 0
    module.Runtime = lambda logger: types.SimpleNamespace(
        deserialize_cuda_engine=lambda data: Engine() if data == b"engine" else None
    )
    module.nptype = lambda kind: np.uint8
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    monkeypatch.setattr(runtime.ctypes, "CDLL", lambda name: driver)
    path = tmp_path / "engine.plan"
    path.write_bytes(b"engine")
    run = runtime.open_export(str(path), 0)
    for count in (1, 2):
        images = np.random.default_rng(count).integers(
            0, 256, (count, 5, 7, 3), np.uint8
        )
        found = run(images[:, ::-1])
        np.testing.assert_array_equal(found, images[:, ::-1].argmax(axis=-1))
    assert not driver.memory
    path.write_bytes(b"of another GPU")
    with pytest.raises(RuntimeError, match="does not take the engine"):
        runtime.open_export(str(path), 0)
