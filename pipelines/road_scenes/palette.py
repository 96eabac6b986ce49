"""Colours and measures that several parts of a scene share."""

from __future__ import annotations

from random import Random

from hyperseg_tf.pipelines.road_scenes.canvas import Colour

FAR = 150.0
KERB = 0.13
PLASTER = (
    (201, 190, 168), (178, 170, 160), (214, 208, 198), (190, 158, 124),
    (166, 174, 176), (206, 180, 140), (150, 146, 142), (188, 150, 138),
)  # fmt: skip
BRICK = (
    (140, 82, 64), (158, 98, 74), (122, 76, 66), (168, 124, 92), (116, 92, 80),
)  # fmt: skip
ROOFS = ((112, 72, 60), (84, 80, 82), (128, 84, 66), (70, 72, 80))
LEAVES = (
    (58, 92, 40), (76, 108, 48), (48, 78, 44), (96, 118, 52), (104, 100, 46),
    (66, 96, 62), (132, 108, 50),
)  # fmt: skip
PAINTS = (
    (186, 188, 192), (228, 228, 226), (40, 42, 46), (96, 100, 106), (150, 30, 34),
    (38, 66, 128), (60, 92, 78), (196, 168, 60), (120, 82, 60), (92, 128, 164),
    (206, 196, 176), (70, 34, 48),
)  # fmt: skip


def vary(rng: Random, colour: Colour, amount: float) -> Colour:
    """Return a colour near `colour`: brighter or darker, a little off in hue."""
    shift = rng.uniform(-amount, amount)
    return tuple(
        min(max(c + shift + rng.uniform(-amount, amount) / 3, 0), 255) for c in colour
    )
