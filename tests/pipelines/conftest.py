"""Folders that readers know."""

import pytest

from tests.pipelines.folders import THREE, VALUES, image, label, write_two_classes


@pytest.fixture
def own(tmp_path):
    """A sound folder of two splits, with names that break careless code."""
    root = tmp_path / "my dätä"
    for split, names in (("train", ["a b", "Ünï", "c"]), ("val", ["z"])):
        for n, name in enumerate(names):
            image(root / split / "images" / f"{name}.png", seed=n)
            label(root / split / "labels" / f"{name}.png", (VALUES + n) % 3)
    THREE.write(root / "classes.csv")
    return root


@pytest.fixture
def segnet(tmp_path):
    root = tmp_path / "CamVid"
    for split in ("train", "val"):
        lines = []
        for n in range(3):
            image(root / split / f"{n}.png", seed=n)
            label(root / f"{split}annot" / f"{n}.png", VALUES + n + 7)
            lines.append(f"{split}/{n}.png {split}annot/{n}.png\n")
        (root / f"{split}.txt").write_text("".join(lines))
    return root


@pytest.fixture
def folder(tmp_path):
    return write_two_classes(tmp_path)
