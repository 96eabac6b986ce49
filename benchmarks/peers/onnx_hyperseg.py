"""The PyTorch peer in ONNX Runtime: the authors' formulation without eager overhead.

The peer is exported once, with every tensor between its parts as an output, and the
parts are cut out of that file; so each part is what the whole network runs there.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from benchmarks.peers.torch_hyperseg import TorchHyperSeg

OPSET = 18

FEATURES = tuple(f"feature_{i}" for i in range(1, 6))
# Part -> what goes in, what comes out.
PARTS = {
    "network": (("image",), ("logits",)),
    "backbone": (("image",), (*FEATURES, "head")),
    "head": (("head",), ("signal",)),
    "decoder": (("image", *FEATURES, "signal"), ("level",)),
}


def sessions(
    model: TorchHyperSeg, image: Tensor, threads: int
) -> Mapping[str, Callable[[], Sequence[np.ndarray]]]:
    """Every part of `PARTS` as a function without arguments, for this one image.

    Args:
        model: The peer with the weights to run.
        image: (B, 3, H, W); the exported network takes this size alone.
        threads: Of ONNX Runtime, for each part.
    """
    with tempfile.TemporaryDirectory() as folder:
        whole = onnx.load(export(model, image, Path(folder) / "network.onnx"))
    with torch.inference_mode():
        values = dict(zip(_Taps.names, _Taps(model)(image), strict=True))
    values = {name: value.numpy() for name, value in values.items()}
    values["image"] = image.numpy()
    return {
        part: _step(_cut(whole, inputs, outputs), values, threads)
        for part, (inputs, outputs) in PARTS.items()
    }


def network(
    model: TorchHyperSeg, image: Tensor, threads: int
) -> Callable[[np.ndarray], np.ndarray]:
    """The whole network as a function of images (B, 3, H, W), of this one's shape."""
    with tempfile.TemporaryDirectory() as folder:
        whole = onnx.load(export(model, image, Path(folder) / "network.onnx"))
    session = _session(_cut(whole, *PARTS["network"]), threads)
    return lambda images: session.run(None, {"image": images})[0]


def export(model: TorchHyperSeg, image: Tensor, path: Path) -> Path:
    """Write the network with all tensors between its parts; returns `path`."""
    torch.onnx.export(
        _Taps(model).eval(),
        (image,),
        path,
        input_names=["image"],
        output_names=list(_Taps.names),
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    return path


class _Taps(nn.Module):
    """The peer, returning what its parts pass on."""

    names = (*FEATURES, "head", "signal", "level", "logits")

    def __init__(self, model: TorchHyperSeg) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        *features, head = self.model.backbone(image)
        signal = self.model.weight_mapper(head)
        level = self.model.decoder([image, *features], signal)
        return (*features, head, signal, level, self.model.enlarge(level, image))


def _cut(
    whole: onnx.ModelProto, inputs: Sequence[str], outputs: Sequence[str]
) -> onnx.ModelProto:
    """The part of a model between the named tensors; inputs it does not read go."""
    part = onnx.utils.Extractor(whole).extract_model(list(inputs), list(outputs))
    read = {name for node in part.graph.node for name in node.input}
    kept = [value for value in part.graph.input if value.name in read]
    del part.graph.input[:]
    part.graph.input.extend(kept)
    return part


def _session(part: onnx.ModelProto, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(
        part.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _step(
    part: onnx.ModelProto, values: Mapping[str, np.ndarray], threads: int
) -> Callable[[], Sequence[np.ndarray]]:
    session = _session(part, threads)
    fed = {value.name: values[value.name] for value in session.get_inputs()}
    return lambda: session.run(None, fed)
