"""What is read, and what is made of it; the same for every pipeline."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = 19
# Brightness of neighbours; sets how well a PNG packs, as in photographs.
_NOISE = 3.0


@dataclass(frozen=True)
class Scenario:
    """One way to store pictures, and the augmentation of a published run.

    Args:
        name: Part of the table.
        size: (H, W) of the pictures.
        crop: (H, W) of the samples.
        scale: Smallest and largest factor of the random resizing.
        suffix: Of the pictures' files.
        in_memory: Decoded beforehand.
        dtype: Of the images in a batch; "float32" is normalised.
        goal: Speed of ours over that of the reference.
    """

    name: str
    size: tuple[int, int]
    crop: tuple[int, int]
    scale: tuple[float, float]
    suffix: str = ".png"
    in_memory: bool = False
    dtype: str = "float32"
    goal: float | None = None

    @property
    def folder(self) -> str:
        """Name of the folder of its files."""
        return "{}x{}{}".format(*self.size, self.suffix)


_CAMVID = {"size": (720, 960), "crop": (576, 576), "scale": (0.5, 2.0)}
_CITYSCAPES = {"size": (1024, 2048), "crop": (512, 1024), "scale": (0.25, 2.0)}

SCENARIOS = (
    Scenario("camvid files", **_CAMVID, goal=1.5),
    Scenario("camvid RAM float32", **_CAMVID, in_memory=True, goal=3),
    Scenario("camvid RAM uint8", **_CAMVID, in_memory=True, dtype="uint8", goal=5),
    Scenario("cityscapes PNG", **_CITYSCAPES, goal=1),
    Scenario("cityscapes JPEG", **_CITYSCAPES, suffix=".jpg", goal=3.5),
    Scenario(
        "cityscapes RAM uint8", **_CITYSCAPES, in_memory=True, dtype="uint8", goal=12
    ),
)


def write(scenario: Scenario, root: Path, count: int) -> Path:
    """Write `count` pictures and labels as a folder of one's own, unless it is there.

    Returns:
        The folder, with classes.csv, train/images and train/labels.
    """
    folder = root / scenario.folder
    if folder.exists():
        return folder
    for kind in ("images", "labels"):
        (folder / "train" / kind).mkdir(parents=True)
    rows = "".join(f"{i},class {i},{i},{i},{i}\n" for i in range(CLASSES))
    (folder / "classes.csv").write_text("index,name,red,green,blue\n" + rows)
    for i in range(count):
        image, label = picture(*scenario.size, seed=i)
        path = folder / f"train/images/{i}{scenario.suffix}"
        Image.fromarray(image).save(path, quality=95)
        Image.fromarray(label).save(folder / f"train/labels/{i}.png")
    return folder


def picture(height: int, width: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Image (H, W, 3) and label (H, W), uint8: surfaces with shading and some noise."""
    rng = np.random.default_rng(seed)
    grid = (height // 48 + 2, width // 48 + 2)
    surfaces = rng.integers(0, CLASSES, grid).astype(np.uint8)
    size = (width, height)
    label = np.array(Image.fromarray(surfaces).resize(size, Image.Resampling.NEAREST))
    colours = rng.integers(20, 236, (CLASSES, 3))[label].astype(np.float32)
    shade = rng.integers(0, 256, (*grid, 3)).astype(np.uint8)
    shade = np.array(Image.fromarray(shade).resize(size, Image.Resampling.BICUBIC))
    noise = rng.normal(0, _NOISE, (height, width, 1))
    image = 0.5 * colours + 0.5 * shade + noise
    return np.clip(image, 0, 255).astype(np.uint8), label
