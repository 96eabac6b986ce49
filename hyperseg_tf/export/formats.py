"""What there is to choose: formats, and what each of them offers. Data only."""

import importlib.util
from dataclasses import dataclass

from hyperseg_tf.base.errors import UserError

# What the network's logits become in the file.
OUTPUTS = ("logits", "probabilities", "class_map", "overlay")


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: As `--format` has it.
        files: Names in the export's folder, the one that is opened first.
        precisions: Of the arithmetic or the weights, the default first.
        free: What may be left open in the file, of "size" and "batch".
        packages: Modules that write and run it, beside TensorFlow.
    """

    name: str
    files: tuple[str, ...]
    precisions: tuple[str, ...] = ("float32",)
    free: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()

    def check_installed(self) -> None:
        """Raise `UserError` where a package is missing."""
        missing = [
            name for name in self.packages if importlib.util.find_spec(name) is None
        ]
        if missing:
            raise UserError(
                f"the format {self.name} is written and run by "
                f"{', '.join(self.packages)}: {', '.join(missing)} cannot be imported; "
                "pip install 'hyperseg_tf[export]'."
            )


FORMATS = {
    one.name: one
    for one in (
        Format("saved_model", ("saved_model.pb",), free=("size", "batch")),
        Format(
            "tflite",
            ("model.tflite",),
            ("float32", "float16", "dynamic", "int8", "int16x8"),
            packages=("ai_edge_litert", "ai_edge_quantizer"),
        ),
        Format(
            "onnx",
            ("model.onnx",),
            ("float32", "int8"),
            free=("size", "batch"),
            packages=("tf2onnx", "onnx", "onnxruntime"),
        ),
        Format(
            "openvino",
            ("model.xml", "model.bin"),
            ("float32", "float16", "int8"),
            free=("size", "batch"),
            packages=("tf2onnx", "onnx", "onnxruntime", "openvino"),
        ),
        Format(
            "tensorrt",
            ("engine.plan", "model.onnx", "trtexec.txt"),
            ("float32", "float16", "int8"),
            free=("batch",),
            packages=("tf2onnx", "onnx", "onnxruntime"),
        ),
        Format("tf_trt", ("saved_model.pb",), ("float32", "float16")),
    )
}
