"""The page of `hyperseg-tf try`: answers this machine, with what predict would draw."""

import io
import re
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf import visualise
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.inference import try_page
from hyperseg_tf.inference.predict import predict
from hyperseg_tf.inference.try_page import Page
from tests.inference.picture_files import picture
from tests.tiny_segmenter import COLOURS, by_brightness


@pytest.fixture(scope="module")
def model():
    return by_brightness()


@pytest.fixture(scope="module")
def page(model):
    page = Page(model)
    thread = threading.Thread(target=page.serve, daemon=True)
    thread.start()
    yield page
    page.close()
    thread.join(5)


@pytest.fixture(scope="module")
def html(page):
    with urllib.request.urlopen(page.url) as answer:
        return answer.read().decode(), dict(answer.headers)


def _png(image=None):
    file = io.BytesIO()
    Image.fromarray(picture() if image is None else image).save(file, "PNG")
    return file.getvalue()


def _send(page, html, body, view="overlay", **headers):
    token = re.search(r'"X-Token": "([^"]+)"', html[0])[1]
    request = urllib.request.Request(
        f"{page.url}segment?view={view}", body, {"X-Token": token, **headers}
    )
    return urllib.request.urlopen(request)


def _refused(page, html, *args, **headers):
    with pytest.raises(urllib.error.HTTPError) as caught:
        _send(page, html, *args, **headers)
    return caught.value.code, caught.value.read().decode()


def test_the_page_is_whole_and_asks_for_nothing_elsewhere(html):
    text, headers = html
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    nonce = re.search(r"script-src 'nonce-([^']+)'", headers["Content-Security-Policy"])
    assert f'<script nonce="{nonce[1]}">' in text
    assert "http" not in text and "NONCE" not in text and "TITLE" not in text
    for view in visualise.VIEWS:
        assert f"<option>{view}</option>" in text


@pytest.mark.parametrize("view", visualise.VIEWS)
def test_a_picture_comes_back_as_predict_would_draw_it(page, html, model, view):
    with _send(page, html, _png(), view) as answer:
        assert answer.headers["Content-Type"] == "image/png"
        assert re.fullmatch(r"14x9 pixels in \d+ ms", answer.headers["X-Said"])
        found = np.asarray(Image.open(io.BytesIO(answer.read())))
    expected = visualise.drawn(picture(), predict(model, picture()), COLOURS, view)
    height, width = expected.shape[:2]
    np.testing.assert_array_equal(found[:height, :width], expected)


def test_what_is_no_picture_is_told_in_one_line_without_a_path(page, html):
    code, said = _refused(page, html, b"no picture")
    assert code == 400 and said.startswith("the picture: ") and "/" not in said
    code, said = _refused(page, html, _png(), "x")
    assert code == 400 and "overlay, beside, contours" in said


def test_others_than_the_page_are_refused(page, html, monkeypatch):
    for headers in ({"X-Token": "x"}, {"X-token": ""}, {"Host": "evil.example"}):
        code, _ = _refused(page, html, _png(), **headers)
        assert code == 403, headers
    monkeypatch.setattr(try_page, "MOST_BYTES", 10)
    code, said = _refused(page, html, _png())
    assert code == 413 and "1 to 10 bytes" in said
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{page.url}other")


def test_a_port_that_is_taken_is_named(page, model):
    port = int(page.url.rsplit(":", 1)[1].strip("/"))
    for taken in (port, 70_000, -1):
        with pytest.raises(UserError, match=f"free port of 127.0.0.1: {taken} cannot"):
            Page(model, taken)


def test_names_are_text_in_the_page(model):
    page = Page(model)
    page._title = "<script>alert(1)</script> NONCE"
    text, _ = page.html()
    assert "&lt;script&gt;alert" in text and "<script>alert" not in text
    page._server.server_close()
