"""The client against servers that are not TensorFlow Serving.

gRPC goes by the official service and stub; the JSON is what TensorFlow Serving's
documentation says.
"""

import base64
import importlib.util
import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf import export
from hyperseg_tf.inference.pictures import read_picture
from hyperseg_tf.inference.predict import predict
from tests.base.exif import entry, exif, jpeg_with
from tests.tiny_segmenter import by_brightness

CLIENT = Path(__file__).parents[2] / "examples" / "serving_client.py"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    import tensorflow as tf

    base = tmp_path_factory.mktemp("models") / "road"
    out = export.write(by_brightness(), out=base, version=1, verify=False)
    loaded = tf.saved_model.load(str(out))
    yield lambda files: loaded.signatures["serve_png"](encoded=tf.constant(files))


@pytest.fixture
def grpc_server(endpoint):
    """Address of the official service around an endpoint."""
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            assert request.model_spec.name == "road"
            assert request.model_spec.signature_name == "serve_png"
            files = tf.make_ndarray(request.inputs["encoded"])
            try:
                found = endpoint(list(files))
            except tf.errors.InvalidArgumentError as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
            answer = predict_pb2.PredictResponse()
            for name, value in found.items():
                answer.outputs[name].CopyFrom(tf.make_tensor_proto(value.numpy()))
            return answer

    server = grpc.server(ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Service(), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture
def rest_server(endpoint):
    """Address of the documented JSON around an endpoint."""
    import tensorflow as tf

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/v1/models/road:predict"
            assert asked["signature_name"] == "serve_png"
            files = [base64.b64decode(x["encoded"]["b64"]) for x in asked["instances"]]
            try:
                found = endpoint(files)
                status, answer = 200, {"predictions": _rows(found)}
            except tf.errors.InvalidArgumentError as error:
                status, answer = 400, {"error": error.message}
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _rows(found):
    return [
        {"png_bytes": {"b64": base64.b64encode(png).decode()}, "sizes": size.tolist()}
        for png, size in zip(
            found["png_bytes"].numpy(), found["sizes"].numpy(), strict=True
        )
    ]


@pytest.fixture(scope="module")
def client():
    spec = importlib.util.spec_from_file_location("serving_client", CLIENT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {"grpc": module.by_grpc, "rest": module.by_rest}


@pytest.fixture
def photograph(tmp_path):
    """A file whose class map is not of its own size, and that class map."""
    turned = exif("<", entry("<", 0x0112, 3, 1, 6))
    (tmp_path / "a.jpg").write_bytes(jpeg_with(turned, size=(30, 41)))
    expected = predict(by_brightness(), read_picture(tmp_path / "a.jpg"))
    assert expected.shape == (41, 30)
    return tmp_path / "a.jpg", expected


@pytest.mark.slow
@pytest.mark.parametrize("way", ["grpc", "rest"])
def test_the_client_gets_the_class_map_that_predict_makes(
    way, request, client, photograph
):
    address = request.getfixturevalue(f"{way}_server")
    mask = Image.open(BytesIO(client[way](address, "road", photograph[0].read_bytes())))
    assert mask.mode == "L"
    np.testing.assert_array_equal(np.asarray(mask), photograph[1])


@pytest.mark.slow
@pytest.mark.parametrize("way", ["grpc", "rest"])
def test_the_client_says_what_the_server_refuses(way, request, client):
    address = request.getfixturevalue(f"{way}_server")
    with pytest.raises(SystemExit, match="PNG or JPEG"):
        client[way](address, "road", b"GIF89a")


@pytest.mark.parametrize("way", ["grpc", "rest"])
def test_the_client_says_that_there_is_no_server(way, client, monkeypatch):
    monkeypatch.setitem(client[way].__globals__, "SECONDS", 1)
    with pytest.raises(SystemExit, match="127.0.0.1:9: "):
        client[way]("127.0.0.1:9", "road", b"")


def test_the_rest_client_needs_python_alone(rest_server, photograph):
    out = photograph[0].with_name("mask.png")
    command = [sys.executable, "-I", "-S", CLIENT, rest_server, "road"]
    command += [photograph[0], out, "--rest"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.asarray(Image.open(out)), photograph[1])
