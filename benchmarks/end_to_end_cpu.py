"""From the bytes of a JPEG to those of a mask: ours, PyTorch and ONNX Runtime.

    python -m benchmarks.end_to_end_cpu [--threads 2] [--quick] [--json FILE]

HyperSeg-M, 512x1024, batch 1, float32, by default. `bytes` is the whole job: decode,
normalise, network, class of every pixel, encode. `classes` is from a uint8 picture to
the class of every pixel, `network` from the normalised picture to logits. Ours decodes
and encodes by Pillow and asks a `Segmenter`; the others, the authors' formulation in
eager PyTorch and in ONNX Runtime, use OpenCV and NumPy as a practised user would. All
carry the same weights; the share of pixels whose class is the reference's is printed.
"""

import argparse
import io

import numpy as np

from benchmarks import harness, network_weights
from benchmarks.network_cpu import frozen
from benchmarks.network_sides import ours, size, tensorflow_with, theirs

OURS = "hyperseg_tf, Segmenter"
TORCH = "torch + OpenCV"
ONNX = "ONNX Runtime + OpenCV"
# Of the whole job over the network alone, both ours.
GOAL = 1.25


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], conflict_handler="resolve"
    )
    harness.add_arguments(parser)
    parser.add_argument("--preset", default="hyperseg_m_cityscapes")
    parser.add_argument("--size", type=size, help="HxW (512x1024; quick 128x256)")
    args = parser.parse_args()
    height, width = args.size or ((128, 256) if args.quick else (512, 1024))
    arguments = {"preset": args.preset, "height": height, "width": width}
    comparison = harness.compare(
        [
            harness.Competitor(name=OURS, factory=segmenter, arguments=arguments),
            harness.Competitor(name=TORCH, factory=torch_opencv, arguments=arguments),
            harness.Competitor(name=ONNX, factory=onnx_opencv, arguments=arguments),
        ],
        args,
        title=f"{args.preset} at {height}x{width}, JPEG to mask, batch 1, CPU",
        reference=TORCH,
        goals={},
    )
    harness.report(comparison, args)
    aimed = not (args.quick or args.size)
    print(over_network(comparison, GOAL if aimed else None))
    for name in (OURS, ONNX):
        print(f"classes of '{name}': {same(comparison, name):.2%} are the reference's.")


def over_network(comparison: harness.Comparison, goal: float | None) -> str:
    """What the job takes over the network alone, by medians, as a line."""
    rows = {(row.part, row.name): row for row in comparison.rows()}
    whole, network = rows["bytes", OURS], rows["network", OURS]
    ratio = whole.median_ms / network.median_ms
    line = f"'{OURS}': bytes to bytes takes {ratio:.2f} of its network's time"
    if goal:
        quiet = whole.quiet and network.quiet
        met = ("met" if ratio <= goal else "missed") if quiet else "not judged"
        line += f", goal <= {goal:g} {met}"
    return f"{line}."


def same(comparison: harness.Comparison, name: str) -> float:
    """Share of the pixels that have the reference's class."""
    mine, theirs = (comparison.outputs["classes", n].sample for n in (name, TORCH))
    return float((mine == theirs).mean())


def segmenter(*, threads: int, preset: str, height: int, width: int) -> harness.Steps:
    """As `predict` does it, in memory."""
    tensorflow_with(threads)
    from PIL import Image

    from hyperseg_tf.inference.pictures import rgb
    from hyperseg_tf.inference.segmenter import Segmenter

    segment = Segmenter(ours(preset)).class_maps
    jpeg = _jpeg(height, width)

    def decoded():
        with Image.open(io.BytesIO(jpeg)) as picture:
            return rgb(picture, "the picture")

    def from_bytes():
        label = segment(decoded()[None])[0]
        Image.fromarray(label).save(io.BytesIO(), "PNG", compress_level=1)
        return _shown(label[None])

    image = decoded()[None]
    network = frozen(threads=threads, preset=preset, height=height, width=width)
    return {
        "bytes": from_bytes,
        "classes": lambda: _shown(segment(image)),
        "network": network["network"],
    }


def torch_opencv(*, threads: int, preset: str, height: int, width: int):
    """Eager PyTorch, pictures by OpenCV."""
    import torch

    model, image = theirs(threads, preset, height, width)

    def logits(x):
        with torch.inference_mode():
            return model(torch.from_numpy(x))

    def network():
        with torch.inference_mode():
            return model(image).numpy().transpose(0, 2, 3, 1)

    def classes(picture):
        return logits(_normalised(picture)).argmax(1).to(torch.uint8).numpy()

    return _parts(threads, height, width, classes, network)


def onnx_opencv(*, threads: int, preset: str, height: int, width: int):
    """ONNX Runtime, pictures by OpenCV."""
    model, image = theirs(threads, preset, height, width)
    from benchmarks.peers import onnx_hyperseg

    run = onnx_hyperseg.network(model, image, threads)
    normalised = image.numpy()

    def classes(picture):
        return run(_normalised(picture)).argmax(1).astype(np.uint8)

    def network():
        return run(normalised).transpose(0, 2, 3, 1)

    return _parts(threads, height, width, classes, network)


def _parts(threads, height, width, classes, network) -> harness.Steps:
    import cv2

    cv2.setNumThreads(threads)
    jpeg = np.frombuffer(_jpeg(height, width), np.uint8)

    def decoded():
        return cv2.cvtColor(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

    def from_bytes():
        label = classes(decoded())
        cv2.imencode(".png", label[0], [cv2.IMWRITE_PNG_COMPRESSION, 1])
        return _shown(label)

    picture = decoded()
    return {
        "bytes": from_bytes,
        "classes": lambda: _shown(classes(picture)),
        "network": network,
    }


def _shown(label):
    """A class map as an output that the harness can look at: (1, H, W, 1)."""
    return label[..., None].astype(np.float32)


def _normalised(picture):
    """uint8 (H, W, 3) to float32 (1, 3, H, W)."""
    from hyperseg_tf.base import constants

    mean = 255 * np.asarray(constants.IMAGENET_MEAN, np.float32)
    scale = 1 / (255 * np.asarray(constants.IMAGENET_STD, np.float32))
    return np.ascontiguousarray(((picture - mean) * scale).transpose(2, 0, 1)[None])


def _jpeg(height: int, width: int) -> bytes:
    """The picture of `network_weights` as a camera would write it."""
    from PIL import Image

    image = network_weights.image(height, width)[0]
    pixels = np.clip(127 + 50 * image, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


if __name__ == "__main__":
    main()
