"""How many bytes a class map is on its way back from a server, as PNG and as JSON.

    python -m benchmarks.mask_sizes SAVED_MODEL PICTURES

Sends every PNG and JPEG of a folder through `serve_bytes` and `serve_png` of an export,
one a request, and prints medians over the pictures. JSON is what Python writes without
spaces, PNG files in it are base64; TensorFlow Serving's REST interface may space it
more widely.
"""

import argparse
import base64
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

SUFFIXES = (".png", ".jpg", ".jpeg")


def main() -> None:
    """Print a row for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--json", type=Path, help="also write the numbers there")
    args = parser.parse_args()
    result = measure(args.export, args.pictures)
    print(f"{result['pictures']} pictures, {result['pixels']:,} pixels (median)")
    print(f"{'answer':<42}{'bytes':>12}{'per pixel':>11}")
    for name, size in result["bytes"].items():
        print(f"{name:<42}{size:>12,.0f}{size / result['pixels']:>11.3f}")
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n", "utf-8")


def measure(export: Path, pictures: Path) -> dict:
    """Medians of the bytes of each kind of answer over the pictures of a folder."""
    import tensorflow as tf

    endpoints = tf.saved_model.load(str(export)).signatures
    rows, pixels = [], []
    for path in sorted(pictures.iterdir()):
        if path.suffix.lower() not in SUFFIXES:
            continue
        encoded = tf.constant([path.read_bytes()])
        found = endpoints["serve_bytes"](encoded=encoded)
        png = endpoints["serve_png"](encoded=encoded)["png_bytes"].numpy()[0]
        class_map = found["class_map"].numpy()
        rows.append(_bytes(class_map, found["confidence"].numpy(), png))
        pixels.append(class_map.size)
    if not rows:
        raise SystemExit(f"{pictures}: no {', '.join(SUFFIXES)} files.")
    return {
        "pictures": len(rows),
        "pixels": int(np.median(pixels)),
        "bytes": {
            name: float(np.median([row[name] for row in rows])) for name in rows[0]
        },
    }


def _bytes(class_map: np.ndarray, confidence: np.ndarray, png: bytes) -> dict[str, int]:
    packed = {"b64": base64.b64encode(png).decode()}
    # The shortest digits that give the float32 back, as TensorFlow Serving writes.
    digits = [[float(str(value)) for value in row] for row in confidence[0]]
    return {
        "serve_bytes, JSON, with its confidence": _length(class_map.tolist())
        + _length(digits),
        "serve_bytes, JSON, class map alone": _length(class_map.tolist()),
        "serve_bytes, gRPC, with its confidence": class_map.nbytes + confidence.nbytes,
        "serve_png, JSON": _length(packed),
        "serve_png, gRPC": len(png),
    }


def _length(value) -> int:
    return len(json.dumps(value, separators=(",", ":")))


if __name__ == "__main__":
    main()
