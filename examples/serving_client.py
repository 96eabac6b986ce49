"""Ask TensorFlow Serving for the class map of a picture, as a PNG file.

    python examples/serving_client.py HOST:PORT MODEL PICTURE MASK.png [--rest]

gRPC (port 8500 by default) needs the package tensorflow-serving-api; with --rest (port
8501) this needs Python alone. MASK.png is grey, its values are the numbers of classes
in the export's assets.extra/classes.json, and it has the size of the picture as it is
shown: the server turns a photograph as its EXIF says.
"""

import argparse
import base64
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

SECONDS = 60

# Of a message, in bytes; gRPC's own is 4 MiB, less than many photographs.
LARGEST_MESSAGE = 2**28


def by_rest(address: str, model: str, picture: bytes) -> bytes:
    """The mask, from the REST interface."""
    instance = {"encoded": {"b64": base64.b64encode(picture).decode()}}
    request = urllib.request.Request(
        f"http://{address}/v1/models/{model}:predict",
        json.dumps({"signature_name": "serve_png", "instances": [instance]}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            (found,) = json.load(answer)["predictions"]
    except urllib.error.HTTPError as error:
        sys.exit(f"{address}: {error.read().decode(errors='replace')}")
    except OSError as error:
        sys.exit(f"{address}: {error}")
    return base64.b64decode(found["png_bytes"]["b64"])


def by_grpc(address: str, model: str, picture: bytes) -> bytes:
    """The mask, from the gRPC interface."""
    import grpc
    from tensorflow.core.framework import types_pb2
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = "serve_png"
    tensor = request.inputs["encoded"]
    tensor.dtype = types_pb2.DT_STRING
    tensor.tensor_shape.dim.add(size=1)
    tensor.string_val.append(picture)
    limits = [
        (f"grpc.max_{way}_message_length", LARGEST_MESSAGE)
        for way in ("send", "receive")
    ]
    with grpc.insecure_channel(address, limits) as channel:
        service = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        try:
            answer = service.Predict(request, timeout=SECONDS)
        except grpc.RpcError as error:
            sys.exit(f"{address}: {error.details()}")
    return answer.outputs["png_bytes"].string_val[0]


def main() -> int:
    """Send the picture, write the mask."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address", metavar="HOST:PORT")
    parser.add_argument("model")
    parser.add_argument("picture", type=Path)
    parser.add_argument("mask", type=Path)
    parser.add_argument("--rest", action="store_true")
    args = parser.parse_args()
    ask = by_rest if args.rest else by_grpc
    mask = ask(args.address, args.model, args.picture.read_bytes())
    args.mask.write_bytes(mask)
    print(args.mask)
    return 0


if __name__ == "__main__":
    sys.exit(main())
