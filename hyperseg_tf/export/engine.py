"""An ONNX file as a serialized TensorRT engine, and the command that does the same.

Networks are strongly typed: precision is what the ONNX file says, as TensorRT 11 knows
it only, so that ONNX Runtime computes what the engine will. TF32, which TensorRT takes
for float32 unless told, is off.

TensorRT runs in a process of its own: TensorFlow would have taken the GPU's memory, and
a builder that crashes must not take the export with it.
"""

import shlex
from pathlib import Path
from typing import NamedTuple


class Profile(NamedTuple):
    """Shapes of an input: an engine takes all between, and is fastest at `usual`."""

    smallest: tuple[int, ...]
    usual: tuple[int, ...]
    largest: tuple[int, ...]


def trtexec(onnx: str, engine: str, profiles: dict[str, Profile]) -> str:
    """The line for a shell that builds an engine by NVIDIA's `trtexec`, 10 or later.

    Args:
        onnx: Name of the ONNX file.
        engine: Name of the file to write.
        profiles: By name, every input with a free dimension.
    """
    words = ["trtexec", f"--onnx={onnx}", f"--saveEngine={engine}"]
    words += ["--stronglyTyped", "--noTF32"]
    for option, field in zip(("min", "opt", "max"), Profile._fields, strict=True):
        shapes = [
            f"{name}:{'x'.join(map(str, getattr(profile, field)))}"
            for name, profile in profiles.items()
        ]
        if shapes:
            words.append(f"--{option}Shapes={','.join(shapes)}")
    return shlex.join(words)


def build(trt, onnx: Path, engine: Path, profiles: dict[str, Profile]) -> None:
    """Build an engine and write it.

    Args:
        trt: The module `tensorrt`, or another with its interface.
        onnx: The model.
        engine: The file to write.
        profiles: By name, every input with a free dimension.

    Raises:
        RuntimeError: TensorRT does not take the file or cannot build an engine; its
            own words.
    """
    logger, errors = _logger(trt)
    builder = trt.Builder(logger)
    typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(typed)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(onnx)):
        found = [parser.get_error(i) for i in range(parser.num_errors)]
        told = [f"{error.node_operator()} {error.desc()}".strip() for error in found]
        raise RuntimeError(_first(told or errors))
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    for name, shapes in profiles.items():
        profile = builder.create_optimization_profile()
        profile.set_shape(name, *shapes)
        config.add_optimization_profile(profile)
    serialized = builder.build_serialized_network(network, config)
    if serialized is None:
        raise RuntimeError(_first(errors))
    engine.write_bytes(serialized)


def _logger(trt):
    """A logger and the list of errors that it has kept."""
    errors = []

    class Logger(trt.ILogger):
        def __init__(self):
            trt.ILogger.__init__(self)

        def log(self, severity, message):
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                errors.append(message)

    return Logger(), errors


def _first(errors: list[str]) -> str:
    """The first, in one line: the others follow from it."""
    return " ".join(errors[0].split()) if errors else "no reason was given"
