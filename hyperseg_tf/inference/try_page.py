"""A page in the browser that shows what a model makes of pictures, on this machine.

It is for trying a model, not for serving it: one picture after another, and nobody but
this machine is answered. Nothing is fetched from elsewhere, nothing is kept.
"""

import secrets
import tempfile
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from urllib.parse import parse_qs, urlsplit

import keras
import numpy as np

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.inference import pictures
from hyperseg_tf.inference.drawing import Drawing
from hyperseg_tf.inference.finite import NotFinite
from hyperseg_tf.inference.segmenter import Segmenter, open_model
from hyperseg_tf.network.bundled import MODELS, is_bundled
from hyperseg_tf.visualise import VIEWS

_HOST = "127.0.0.1"
# Of a file that is sent.
MOST_BYTES = 64 * 2**20
_SECONDS = 60

_HTML = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>hyperseg-tf try</title>
<style nonce="NONCE">
body { margin: 0 auto; max-width: 1100px; padding: 16px; color: #222;
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 22px; margin: 8px 0; overflow-wrap: anywhere; }
#drop { border: 2px dashed #0072b2; border-radius: 8px; padding: 20px;
  text-align: center; }
#drop.over { background: #e8f2f8; }
img { max-width: 100%; display: block; margin: 16px 0; }
.error { color: #b00020; }
</style>
<h1>TITLE</h1>
<p>Pictures stay on this machine.</p>
<div id="drop"><label>A picture, chosen or dropped here:
<input type="file" id="file" accept="image/*"></label>
<select id="view" aria-label="view">OPTIONS</select></div>
<p id="state" role="status"></p>
<img id="shown" alt="" hidden>
<script nonce="NONCE">
const [file, view, state, shown, drop] =
  ["file", "view", "state", "shown", "drop"].map((id) => document.getElementById(id));
let picture = null;
async function segment() {
  if (!picture) return;
  state.className = "";
  state.textContent = "...";
  try {
    const answer = await fetch("/segment?view=" + view.value,
      { method: "POST", body: picture, headers: { "X-Token": "TOKEN" } });
    if (!answer.ok) throw new Error(await answer.text());
    shown.src = URL.createObjectURL(await answer.blob());
    shown.alt = "classes over " + picture.name;
    shown.hidden = false;
    state.textContent = answer.headers.get("X-Said");
  } catch (error) {
    state.className = "error";
    state.textContent = error.message;
  }
}
file.onchange = () => { picture = file.files[0]; segment(); };
view.onchange = segment;
drop.ondragover = (event) => { event.preventDefault(); drop.className = "over"; };
drop.ondragleave = () => { drop.className = ""; };
drop.ondrop = (event) => {
  event.preventDefault();
  drop.className = "";
  picture = event.dataTransfer.files[0];
  segment();
};
</script>
</html>
"""


class Page:
    """The page of one model, answered until `close`.

    Args:
        model: A model, its `.keras` file, the folder of its run, or the name of a
            bundled one, which is shown pictures of the size that it was trained on.
        port: Of 127.0.0.1; 0 takes a free one.

    Attributes:
        url: Where it is.

    Raises:
        UserError: The model cannot be read, or the port is taken.
    """

    def __init__(self, model: keras.Model | str | Path, port: int = 0) -> None:
        name = getattr(model, "name", None) or str(model)
        side = MODELS[str(model)].short_side if is_bundled(model) else None
        model = open_model(model)
        self._segmenter = Segmenter(model, side, max_pixels=pictures.MAX_PIXELS)
        self._drawings = {view: Drawing(model, view=view) for view in VIEWS}
        self._one = Lock()
        self._token = secrets.token_urlsafe(16)
        self._title = str(name)
        # What is traced and compiled once is not the first picture's to wait for.
        self._segmenter.class_maps(np.zeros((1, 64, 64, 3), np.uint8))
        try:
            self._server = ThreadingHTTPServer((_HOST, port), _handler(self))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(
                f"the page is at a free port of {_HOST}: {port} cannot be had "
                f"({reason}); name another, or none."
            ) from None
        self._server.daemon_threads = True
        self.url = f"http://{_HOST}:{self._server.server_port}/"

    def serve(self) -> None:
        """Answer until `close`, or until Ctrl-C raises KeyboardInterrupt."""
        self._server.serve_forever(poll_interval=0.2)

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()

    def html(self) -> tuple[str, str]:
        """The page and its content security policy."""
        nonce = secrets.token_urlsafe(16)
        options = "".join(f"<option>{view}</option>" for view in VIEWS)
        values = {"NONCE": nonce, "TOKEN": self._token, "OPTIONS": options}
        text = _HTML
        for word, value in values.items():
            text = text.replace(word, value)
        text = text.replace("TITLE", _escaped(self._title))
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; "
            f"style-src 'nonce-{nonce}'; img-src blob:; connect-src 'self'; "
            "frame-ancestors 'none'"
        )
        return text, policy

    def segment(self, picture: bytes, view: str) -> tuple[bytes, str]:
        """A picture file to a PNG of its classes, and a sentence on it.

        Raises:
            UserError: It is no picture that can be read, or the model fails on it.
            ValueError: There is no such view.
        """
        if view not in self._drawings:
            raise ValueError(f"a view is one of {', '.join(VIEWS)}: got {view!r}.")
        with tempfile.TemporaryDirectory(prefix="hyperseg_tf_") as folder:
            path = Path(folder, "the picture")
            path.write_bytes(picture)
            try:
                image = pictures.read_picture(path, pictures.DECODED)
            except UserError as error:
                raise UserError(str(error).replace(str(path), path.name)) from None
        with self._one:
            start = time.perf_counter()
            try:
                label = self._segmenter.class_maps(image[None])[0]
            except NotFinite as error:
                raise UserError(f"the picture: {error}") from None
            taken = 1000 * (time.perf_counter() - start)
        drawn = pictures.png_of(self._drawings[view](image, label))
        height, width = label.shape
        return drawn, f"{width}x{height} pixels in {taken:.0f} ms"

    def is_ours(self, token: str | None, host: str | None) -> bool:
        """Whether a request comes from the page, and was sent to this machine."""
        known = f"{_HOST}:{self._server.server_port}"
        same = secrets.compare_digest((token or "").encode(), self._token.encode())
        return same and host == known


def _handler(page: Page) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _SECONDS

        def do_GET(self) -> None:
            if urlsplit(self.path).path != "/":
                self._answer(HTTPStatus.NOT_FOUND, b"there is one page, /")
                return
            text, policy = page.html()
            kind = "text/html; charset=utf-8"
            more = {"Content-Security-Policy": policy}
            self._answer(HTTPStatus.OK, text.encode(), kind, more)

        def do_POST(self) -> None:
            headers = self.headers
            if not page.is_ours(headers.get("X-Token"), headers.get("Host")):
                self._refuse(HTTPStatus.FORBIDDEN, "pictures are sent by the page.")
                return
            size = headers.get("Content-Length", "")
            if not size.isdecimal() or not 0 < int(size) <= MOST_BYTES:
                self._refuse(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"a picture has 1 to {MOST_BYTES} bytes: got {size or 'none'}.",
                )
                return
            asked = parse_qs(urlsplit(self.path).query)
            try:
                body = self.rfile.read(int(size))
                drawn, said = page.segment(body, asked.get("view", ["overlay"])[0])
            except (UserError, ValueError) as error:
                self._answer(HTTPStatus.BAD_REQUEST, str(error).encode())
            except MemoryError:
                self._answer(HTTPStatus.BAD_REQUEST, b"memory does not suffice.")
            else:
                self._answer(HTTPStatus.OK, drawn, "image/png", {"X-Said": said})

        def _refuse(self, status, text):
            # What was sent is not read, so nothing more comes over this connection.
            self.close_connection = True
            self._answer(status, text.encode())

        def _answer(self, status, body, kind="text/plain; charset=utf-8", more=()):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Cache-Control", "no-store")
            if self.close_connection:
                self.send_header("Connection", "close")
            for name, value in dict(more).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args) -> None:
            """Nothing: the page says what happens."""

    return Handler


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
