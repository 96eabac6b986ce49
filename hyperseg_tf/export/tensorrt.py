"""TensorRT by way of ONNX: an engine where it can be built, else what builds it.

The folder has `model.onnx` in the chosen precision and `trtexec.txt`, the line that
makes `engine.plan` of it, in any case: an engine runs only on the kind of GPU and the
version of TensorRT that it was built with. Where either is missing here, that is all,
and the export ends with an error that says so.
"""

import json
from pathlib import Path

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.text import shortened
from hyperseg_tf.export import engine, probe
from hyperseg_tf.export import onnx as onnx_format
from hyperseg_tf.export.graph import ServingGraph
from hyperseg_tf.export.half import halved
from hyperseg_tf.export.options import Options
from hyperseg_tf.export.signature import FACTS_KEY, IMAGES, compact

ENGINE, ONNX, LINE = "engine.plan", "model.onnx", "trtexec.txt"

# Of an engine whose batch is free. It is fastest for one picture.
LARGEST_BATCH = 4

# TensorRT tries every kernel it has; on a board that takes half an hour.
SECONDS = 4 * 3600

_BUILD = """
from pathlib import Path
import tensorrt
from hyperseg_tf.export.engine import Profile, build
onnx, engine, profiles = json.loads(sys.argv[1])
build(
    tensorrt,
    Path(onnx),
    Path(engine),
    {name: Profile(*map(tuple, shapes)) for name, shapes in profiles.items()},
)
"""


def write(graph: ServingGraph, folder: Path, facts: dict) -> str | None:
    """Write the ONNX file, the line and, where it can be built, the engine.

    Returns:
        What is missing for the engine, or None.
    """
    model = onnx_format.converted(graph)
    if graph.options.precision == "float16":
        model = halved(model)
    return save(model, graph, folder, facts)


# Before an engine is built of it, ONNX Runtime compares what it is built of.
quantizer = onnx_format.quantizer


def save(model, graph: ServingGraph, folder: Path, facts: dict) -> str | None:
    """The same, of an `onnx.ModelProto`."""
    import onnx

    onnx.helper.set_model_props(model, {FACTS_KEY: compact(facts)})
    onnx.save(model, str(folder / ONNX))
    profiles = _profiles(graph.options)
    line = engine.trtexec(ONNX, ENGINE, profiles)
    (folder / LINE).write_text(line + "\n", "utf-8")
    missing = probe.missing_for_tensorrt()
    if missing:
        return (
            f"an engine needs {', and '.join(missing)}; {ONNX} is there, and where "
            f"nothing is missing this line, run in that folder, builds it: {line}"
        )
    request = json.dumps([str(folder / ONNX), str(folder / ENGINE), profiles])
    _, problem = probe.ask(_BUILD, request, seconds=SECONDS)
    if problem:
        raise UserError(
            f"TensorRT must make an engine of the network: {shortened(problem)}; "
            "nothing was written."
        )
    return None


def _profiles(options: Options) -> dict[str, engine.Profile]:
    """Of the pictures, where their batch is free."""
    if options.batch is not None:
        return {}
    one, largest = ((n, *options.size, 3) for n in (1, LARGEST_BATCH))
    return {IMAGES: engine.Profile(one, one, largest)}
