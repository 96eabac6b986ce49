import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.pixels import normalise
from hyperseg_tf.export import encoded_samples, verify
from hyperseg_tf.export.bounds import bounds_of
from hyperseg_tf.export.reference import reference
from hyperseg_tf.export.signature import request_limit
from hyperseg_tf.inference.predict import predict
from tests.hostile.pictures import encoded
from tests.tiny_segmenter import by_brightness


def _images(count, height, width):
    return np.random.default_rng(1).integers(
        0, 256, (count, height, width, 3), np.uint8
    )


def _answers(model, images):
    logits = [np.asarray(model(normalise(batch))) for batch in images]
    height, width = np.max([batch.shape[1:3] for batch in images], axis=0)
    found = {
        "bytes_class_map": np.full((2, height, width), 255, np.uint8),
        "bytes_confidence": np.zeros((2, height, width), np.float32),
        "bytes_sizes": np.array([batch.shape[1:3] for batch in images]),
    }
    for i, values in enumerate(logits):
        odds = np.exp(values - values.max(-1, keepdims=True))
        confidence = (odds / odds.sum(-1, keepdims=True)).max(-1)
        best = values.argmax(-1).astype(np.uint8)
        found[f"uint8_class_map_{i}"] = best
        found[f"uint8_confidence_{i}"] = confidence
        rows, columns = best.shape[1:]
        found["bytes_class_map"][i, :rows, :columns] = best[0]
        found["bytes_confidence"][i, :rows, :columns] = confidence[0]
    return found


@pytest.mark.parametrize(
    ("output", "change"),
    [
        ("uint8_class_map_0", lambda x: 1 - x),
        ("uint8_confidence_1", lambda x: x * 0.9),
        ("bytes_class_map", lambda x: np.roll(x, 1, axis=0)),
        ("bytes_confidence", lambda x: x * 0),
        ("bytes_sizes", lambda x: x[:, ::-1]),
    ],
)
def test_each_output_is_compared(output, change):
    model = by_brightness()
    images = [_images(2, 5, 8), _images(1, 9, 4)]
    found = _answers(model, images)
    right = [reference(model, batch, bounds_of("float32")) for batch in images]
    verify.compare(right, dict(found))
    found[output] = change(found[output])
    with pytest.raises(UserError, match="differs"):
        verify.compare(right, found)


@pytest.mark.parametrize("change", ["class map", "sizes", "place", "png", "png colour"])
def test_each_photograph_is_compared(change, tmp_path):
    model = by_brightness()
    files = encoded_samples.photographs(
        np.random.default_rng(0), verify._picture, request_limit(model, 2**22)
    )
    images = encoded_samples.as_predicted(files, tmp_path)
    assert {image.shape for image in images} == {(61, 90, 3), (90, 61, 3)}
    found = {}
    for i in range(0, len(images), 2):
        frame = np.full((2, 90, 90), 255, np.uint8)
        for place, image in enumerate(images[i : i + 2]):
            height, width = image.shape[:2]
            frame[place, :height, :width] = predict(model, image)
        sizes = np.array([image.shape[:2] for image in images[i : i + 2]])
        found[f"photographs_{i // 2}_serve_bytes_class_map"] = frame
        for endpoint in ("serve_bytes", "serve_png"):
            found[f"photographs_{i // 2}_{endpoint}_sizes"] = sizes
        for place, image in enumerate(images[i : i + 2]):
            png = encoded(Image.fromarray(predict(model, image)), "PNG")
            key = f"photographs_{i // 2}_serve_png_png_bytes_{place}"
            found[key] = np.frombuffer(png, np.uint8)
    verify.compare_photographs(model, images, found)
    if change == "class map":
        found["photographs_2_serve_bytes_class_map"][1] ^= 1
    elif "png" in change:
        mode = "L" if change == "png" else "RGB"
        png = encoded(Image.new(mode, (90, 61)), "PNG")
        found["photographs_0_serve_png_png_bytes_0"] = np.frombuffer(png, np.uint8)
    elif change == "sizes":
        found["photographs_0_serve_bytes_sizes"][1] = [61, 90]
    else:
        frames = found["photographs_1_serve_bytes_class_map"]
        found["photographs_1_serve_bytes_class_map"] = frames[::-1]
    with pytest.raises(UserError, match="serve_.* of photographs"):
        verify.compare_photographs(model, images, found)
