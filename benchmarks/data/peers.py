"""One function per pipeline: from a scenario's folder to its next batch."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.data.scenario import Scenario

MEAN = np.array((0.485, 0.456, 0.406), np.float32)
STD = np.array((0.229, 0.224, 0.225), np.float32)
MEAN_COLOUR = tuple(int(round(255 * float(x))) for x in MEAN)
VOID = 255

# Images and labels of the next batch.
Step = Callable[[], tuple[np.ndarray, np.ndarray]]


def ours(
    threads: int, root: str, scenarios: list[Scenario], batch_size: int, **options
) -> dict[str, Step]:
    """`pipelines.batches`; options are those of `RandomScale`."""
    import tensorflow as tf

    from hyperseg_tf import pipelines

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)

    def step(scenario: Scenario) -> Step:
        dataset = pipelines.open_dataset(Path(root) / scenario.folder, "train")
        stream = pipelines.batches(
            dataset,
            (
                pipelines.RandomScale(*scenario.scale, **options),
                pipelines.RandomCrop(*scenario.crop),
                pipelines.RandomFlip(),
            ),
            batch_size=batch_size,
            cache=scenario.in_memory,
            dtype=scenario.dtype,
            parallel=threads,
            prefetch=1,
        )
        taken = iter(stream)
        # As NumPy sees them, without a copy: the others give arrays, too.
        return lambda: tuple(np.asarray(memoryview(x)) for x in next(taken))

    return {scenario.name: step(scenario) for scenario in scenarios}


def albumentations(
    threads: int,
    root: str,
    scenarios: list[Scenario],
    batch_size: int,
    p: float = 1.0,
    area: bool = False,
) -> dict[str, Step]:
    """Albumentations on OpenCV; `area` smooths what becomes smaller."""
    import albumentations as A
    import cv2

    cv2.setNumThreads(threads)

    def read(path: Path, label: Path) -> tuple[np.ndarray, np.ndarray]:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        return image, cv2.imread(str(label), cv2.IMREAD_UNCHANGED)

    def step(scenario: Scenario) -> Step:
        low, high = scenario.scale
        normalise = [A.Normalize()] if scenario.dtype == "float32" else []
        transform = A.Compose(
            [
                A.RandomScale(
                    (low - 1, high - 1),
                    interpolation=cv2.INTER_LINEAR,
                    area_for_downscale="image" if area else None,
                    p=p,
                ),
                A.RandomCrop(
                    *scenario.crop,
                    pad_if_needed=True,
                    pad_position="random",
                    fill=MEAN_COLOUR,
                    fill_mask=VOID,
                ),
                A.HorizontalFlip(),
                *normalise,
            ]
        )

        def augment(image, label):
            found = transform(image=image, mask=label)
            return found["image"], found["mask"]

        return _batches(scenario, Path(root), batch_size, read, augment)

    return {scenario.name: step(scenario) for scenario in scenarios}


def pillow(
    threads: int, root: str, scenarios: list[Scenario], batch_size: int, p: float = 1.0
) -> dict[str, Step]:
    """Pillow and NumPy, as the released code: bicubic with antialiasing."""
    from PIL import Image

    rng = np.random.default_rng(0)

    def read(path: Path, label: Path) -> tuple[np.ndarray, np.ndarray]:
        with Image.open(path) as image, Image.open(label) as mask:
            return np.asarray(image.convert("RGB")), np.asarray(mask)

    def resize(image, label):
        factor = rng.uniform(*scenario_scale)
        height, width = (max(1, round(factor * side)) for side in label.shape)
        size = (width, height)
        image = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
        label = Image.fromarray(label).resize(size, Image.Resampling.NEAREST)
        return np.asarray(image), np.asarray(label)

    scenario_scale = (1.0, 1.0)

    def step(scenario: Scenario) -> Step:
        def augment(image, label):
            nonlocal scenario_scale
            scenario_scale = scenario.scale
            if rng.random() < p:
                image, label = resize(image, label)
            lack = [
                max(0, a - b) for a, b in zip(scenario.crop, label.shape, strict=True)
            ]
            if any(lack):
                around = [(n, n) for n in lack]
                label = np.pad(label, around, constant_values=VOID)
                wide = np.empty((*label.shape, 3), np.uint8)
                wide[:] = MEAN_COLOUR
                inside = tuple(
                    slice(n, n + side)
                    for n, side in zip(lack, image.shape[:2], strict=True)
                )
                wide[inside] = image
                image = wide
            y, x = (
                rng.integers(a - b + 1)
                for a, b in zip(label.shape, scenario.crop, strict=True)
            )
            window = (
                slice(y, y + scenario.crop[0]),
                slice(x, x + scenario.crop[1]),
            )
            image, label = image[window], label[window]
            if rng.random() < 0.5:
                image, label = image[:, ::-1], label[:, ::-1]
            if scenario.dtype == "float32":
                image = (image.astype(np.float32) / np.float32(255) - MEAN) / STD
            return image, label

        return _batches(scenario, Path(root), batch_size, read, augment)

    return {scenario.name: step(scenario) for scenario in scenarios}


def _batches(scenario: Scenario, root: Path, batch_size: int, read, augment) -> Step:
    """Samples in random order, one by one, stacked."""
    folder = root / scenario.folder / "train"
    paths = sorted((folder / "images").iterdir())
    pairs = [(path, folder / "labels" / f"{path.stem}.png") for path in paths]
    kept = [read(*pair) for pair in pairs] if scenario.in_memory else None
    rng = np.random.default_rng(0)

    def order() -> Iterator[int]:
        while True:
            yield from rng.permutation(len(pairs))

    numbers = order()

    def step() -> tuple[np.ndarray, np.ndarray]:
        samples = []
        for _ in range(batch_size):
            i = next(numbers)
            image, label = kept[i] if kept else read(*pairs[i])
            samples.append(augment(image, label))
        images, labels = zip(*samples, strict=True)
        return np.stack(images), np.stack(labels)

    return step
