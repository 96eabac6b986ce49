"""Samples that are no files: pictures in memory, labels drawn from polygons."""

from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.pipelines import ClassTable, Dataset, Sample, open_dataset

CLASSES = ClassTable(
    ("ground", "roof", "tree"), ((90, 90, 90), (200, 30, 30), (20, 160, 20)), (VOID,)
)


@dataclass(frozen=True)
class Drawn(Sample):
    """A picture's bytes and (class, corners) of polygons, later ones above."""

    name: str
    contents: bytes
    shape: tuple[int, int]
    polygons: tuple[tuple[int, tuple[tuple[float, float], ...]], ...]

    @property
    def image_source(self):
        return f"archive.zip:{self.name}.jpg"

    @property
    def label_source(self):
        return f"polygons.json#{self.name}"

    def image_bytes(self):
        return self.contents

    def inspect_label(self):
        height, width = self.shape
        picture = Image.new("L", (width, height), VOID)
        for index, corners in self.polygons:
            ImageDraw.Draw(picture).polygon(list(corners), fill=index)
        return np.array(picture), []


def drawn(count, shapes=((13, 17),), split="train", seed=0):
    """A dataset of `count` drawn samples; PNG and JPEG take turns, so do shapes."""
    rng = np.random.default_rng(seed)
    samples = []
    for n in range(count):
        height, width = shapes[n % len(shapes)]
        pixels = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
        file = BytesIO()
        Image.fromarray(pixels).save(file, "JPEG" if n % 2 else "PNG")
        polygons = [(0, ((1, 0), (width, 0), (width, height), (1, height)))]
        for index in (1, 2):
            corners = rng.uniform((0, 0), (width, height), (4, 2))
            polygons.append((index, tuple(map(tuple, corners.tolist()))))
        samples.append(
            Drawn(f"{n:02d}", file.getvalue(), (height, width), tuple(polygons))
        )
    return Dataset("drawn", Path("drawn"), split, CLASSES, samples)


def written(dataset, root):
    """The same data as files in an own folder, opened."""
    for kind in ("images", "labels"):
        (root / dataset.split / kind).mkdir(parents=True)
    for sample in dataset:
        suffix = ".png" if sample.image_bytes().startswith(b"\x89PNG") else ".jpg"
        path = root / dataset.split / "images" / f"{sample.name}{suffix}"
        path.write_bytes(sample.image_bytes())
        path = root / dataset.split / "labels" / f"{sample.name}.png"
        Image.fromarray(sample.label()).save(path)
    dataset.classes.write(root / "classes.csv")
    return open_dataset(root, dataset.split)


class Broken(Drawn):
    """A sample whose label is drawn by code with a mistake in it."""

    def inspect_label(self):
        raise KeyError("corners")


def with_broken(dataset, i, kind=Broken):
    """The dataset with sample `i` made one of `kind`."""
    samples = list(dataset)
    old = samples[i]
    samples[i] = kind(old.name, old.contents, old.shape, old.polygons)
    return replace(dataset, samples=samples)
