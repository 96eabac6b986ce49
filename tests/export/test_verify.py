import numpy as np
import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.pixels import normalise
from hyperseg_tf.export import verify
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
        found[f"logits_{i}"] = values
        found[f"uint8_class_map_{i}"] = best
        found[f"uint8_confidence_{i}"] = confidence
        rows, columns = best.shape[1:]
        found["bytes_class_map"][i, :rows, :columns] = best[0]
        found["bytes_confidence"][i, :rows, :columns] = confidence[0]
    return found


@pytest.mark.parametrize(
    ("output", "change"),
    [
        ("logits_1", lambda x: x + 0.02 * np.ptp(x)),
        ("logits_0", lambda x: x * np.nan),
        ("logits_0", lambda x: x[:1]),
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
    verify.compare(model, images, dict(found))
    found[output] = change(found[output])
    with pytest.raises(UserError, match="differs"):
        verify.compare(model, images, found)
