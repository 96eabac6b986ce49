"""One seed becomes one scene.

Two streams of chance: Python's `random` decides what stands where, NumPy's frozen
`RandomState` makes the grain; neither changes between versions.
"""

from __future__ import annotations

from random import Random

import numpy as np

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.pipelines.road_scenes import buildings, placement, weather
from hyperseg_tf.pipelines.road_scenes import street as streets
from hyperseg_tf.pipelines.road_scenes.canvas import (
    BUILDING,
    CAR,
    PAVEMENT,
    ROAD,
    SKY,
    TREE,
    Camera,
    Canvas,
)
from hyperseg_tf.pipelines.road_scenes.palette import PAINTS, vary
from hyperseg_tf.pipelines.road_scenes.street import Street

SMALLEST = 16
STEP = 3  # canvas pixels per finished pixel, each way


def scene(seed: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Paint one road scene and its label.

    Args:
        seed: Which scene; 0 or more. Sizes of one aspect ratio show the same scene.
        size: (H, W) in pixels, each at least 16.

    Returns:
        Image uint8 (H, W, 3) and label uint8 (H, W): 0..10 as in
        `pipelines.road_scenes.CLASSES`, 255 where void.

    Raises:
        ValueError: If seed or size are out of range.
    """
    height, width = size
    if seed < 0:
        raise ValueError(f"seed must be 0 or more: got {seed}; take another one.")
    if min(height, width) < SMALLEST:
        raise ValueError(
            f"size must be at least {SMALLEST}x{SMALLEST}: got {height}x{width}; "
            "make the pictures larger."
        )
    rng = Random(seed)
    noise = np.random.RandomState(rng.getrandbits(32))
    day = weather.draw(rng)
    street = streets.draw(rng)
    camera = _draw_camera(rng, street, height * STEP, width * STEP)
    background = weather.sky(day, noise, width, height, camera.v / STEP)
    background = background.repeat(STEP, axis=0).repeat(STEP, axis=1)
    canvas = Canvas(background, camera, day.light, STEP)

    buildings.paint_backdrop(canvas, rng)
    streets.paint_ground(canvas, street, rng)
    things: list[placement.Thing] = []
    for side in street.sides:
        placement.line_street(canvas, street, side, things, rng)
    taken: placement.Taken = []
    placement.place_traffic(canvas, street, things, taken, rng)
    placement.place_people(canvas, street, things, taken, rng)
    canvas.cast_shadows(softness=height * STEP / 250)
    for _, paint in sorted(things, key=lambda thing: -thing[0]):
        paint()
    if rng.random() < 0.28:
        _paint_bonnet(canvas, rng)

    label = canvas.label()
    picture = weather.finish(
        canvas.picture(),
        label,
        canvas.glow_image((width, height)),
        day,
        noise,
        camera.v / STEP,
    )
    return picture, _blur_borders(label, noise)


def _draw_camera(rng: Random, street: Street, height: int, width: int) -> Camera:
    """Draw a camera in one of the lanes; height and width in canvas pixels."""
    eye = rng.uniform(1.25, 2.1)
    focal = max(width, height * 1.2) * rng.uniform(0.64, 0.92)
    horizon = height * rng.uniform(0.38, 0.54)
    lane = rng.choice((-1, 1)) * street.half * rng.uniform(0.35, 0.8)
    lowest = focal * eye / max(height - horizon, 1.0)
    bend = rng.uniform(-1, 1)
    return Camera(
        x=lane,
        height=eye,
        focal=focal,
        u=width * rng.uniform(0.36, 0.64),
        v=horizon,
        curve=bend * abs(bend) * 0.006,
        slope=rng.uniform(-0.00025, 0.0004),
        near=max(min(1.6, lowest * 0.85), 0.2),
    )


def _paint_bonnet(canvas: Canvas, rng: Random) -> None:
    """Paint the bonnet of the camera's own car; nobody labels it: void."""
    width, height = canvas.size
    paint = vary(rng, rng.choice(PAINTS), 10)
    rise, middle = rng.uniform(0.04, 0.085) * height, width * rng.uniform(0.42, 0.58)
    for share, tone in ((1.0, 0.75), (0.85, 1.0), (0.4, 1.15)):
        top = height - rise * share
        points = [(-0.1 * width, height + 1)]
        for i in range(-10, 11):
            u = i / 10
            points.append((middle + u * width * 0.62, top + rise * u * u * u * u))
        points.append((1.1 * width, height + 1))
        canvas.polygon(points, canvas.ink(paint, canvas.camera.near, VOID, tone))


def _blur_borders(label: np.ndarray, noise: np.random.RandomState) -> np.ndarray:
    """Make stretches of the borders between large surfaces void, as painters do."""
    large = np.zeros(256, bool)
    large[[SKY, BUILDING, TREE, ROAD, PAVEMENT, CAR]] = True
    border = np.zeros(label.shape, bool)
    border[:, 1:] |= (label[:, 1:] != label[:, :-1]) & large[label[:, :-1]]
    border[1:] |= (label[1:] != label[:-1]) & large[label[:-1]]
    height, width = label.shape
    sloppy = weather.grain(noise, height, width, height // 12 + 2, width // 12 + 2)
    return np.where(border & large[label] & (sloppy > 0.55), np.uint8(VOID), label)
