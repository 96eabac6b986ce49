"""Training on samples that are no files."""

from dataclasses import dataclass, replace

import keras
import numpy as np
import pytest

from hyperseg_tf.pipelines import Sample, load_sample, opening
from hyperseg_tf.pipelines.readers import folder
from hyperseg_tf.training.train import train
from tests.training.tiny_run import build, recipe, write_data


@dataclass(frozen=True)
class Held(Sample):
    name: str
    contents: bytes
    values: np.ndarray

    image_source = label_source = "held in memory"

    def image_bytes(self):
        return self.contents

    def inspect_label(self):
        return self.values.copy(), []


class InMemory:
    """A reader that keeps nothing of the files but their bytes and labels."""

    NAME, LAYOUT = folder.NAME, folder.LAYOUT
    look = staticmethod(folder.look)
    has_split = staticmethod(folder.has_split)

    def __init__(self):
        self.read_splits = []

    def read(self, directory, split, encoding):
        files = folder.read(directory, split, encoding)
        self.read_splits.append(split)
        return replace(
            files,
            samples=[
                Held(pair.name, pair.image_bytes(), load_sample(files, i)["label"])
                for i, pair in enumerate(files)
            ],
        )


def weights(out):
    model = keras.models.load_model(out / "latest.keras", compile=False)
    return model.get_weights()


@pytest.mark.slow
def test_training_in_memory_ends_with_the_weights_of_training_from_files(
    tmp_path, monkeypatch
):
    data = write_data(tmp_path / "data")
    options = {"epochs": 2, "build": build}
    theirs = train(recipe(), data, tmp_path / "files", **options)
    reader = InMemory()
    monkeypatch.setattr(opening, "READERS", (reader,))
    for cache in (True, False):
        out = tmp_path / f"memory_{cache}"
        ours = train(recipe(cache=cache), data, out, **options)
        assert ours.best_miou == theirs.best_miou
        for a, b in zip(weights(out), weights(tmp_path / "files"), strict=True):
            np.testing.assert_array_equal(a, b)
        overlays = [p.read_bytes() for p in sorted((out / "overlays").rglob("*.png"))]
        expected = sorted((tmp_path / "files" / "overlays").rglob("*.png"))
        assert overlays == [p.read_bytes() for p in expected] != []
    assert set(reader.read_splits) == {"train", "val"}
