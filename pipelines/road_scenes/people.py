"""People on foot and on bicycles, drawn where they touch the ground, in metres."""

from __future__ import annotations

from random import Random

from hyperseg_tf.pipelines.road_scenes.canvas import (
    BICYCLIST,
    PEDESTRIAN,
    Canvas,
    Place,
)
from hyperseg_tf.pipelines.road_scenes.palette import vary

CLOTHES = (
    (36, 40, 56), (62, 62, 66), (168, 48, 46), (58, 86, 138), (206, 196, 180),
    (92, 108, 72), (190, 140, 62), (120, 66, 104), (30, 30, 32), (140, 146, 152),
    (226, 196, 70),
)  # fmt: skip
SKIN = ((226, 182, 152), (196, 146, 112), (140, 96, 70), (98, 66, 50))
HAIR = ((40, 30, 26), (84, 58, 38), (150, 116, 70), (120, 118, 116), (24, 24, 26))
RUBBER = (26, 26, 28)


def paint_pedestrian(canvas: Canvas, at: Place, height: float, rng: Random) -> None:
    """Paint a person on foot, from the side or from front or back."""
    unit = height / 1.75
    sideways = rng.random() < 0.45
    way = rng.choice((-1, 1))
    trousers, coat = (vary(rng, rng.choice(CLOTHES), 14) for _ in range(2))
    skin, hair = rng.choice(SKIN), rng.choice(HAIR)
    light = canvas.light.front()
    shade = 0.72 + 0.14 * (canvas.light.sun < 0.5)

    def shape(points, colour, tone=light):
        points = [(px * unit * way, py * unit) for px, py in points]
        canvas.shape(at, points, colour, PEDESTRIAN, tone)

    def limb(start, end, width, colour, tone=light):
        (a, b), (c, d) = start, end
        canvas.limb(at, (a * unit * way, b * unit), (c * unit * way, d * unit),
                    width * unit, colour, PEDESTRIAN, tone)  # fmt: skip

    step = rng.uniform(0.12, 0.36) if sideways else rng.uniform(0.08, 0.14)
    swing = step * 0.8 if sideways else 0.08
    hem = rng.choice((0.84, 0.84, 0.6))
    shoulder = 0.19 if sideways else 0.25
    limb((0.06, 0.86), (step, 0.06), 0.17, trousers, light * shade)
    limb(
        (shoulder * 0.8, 1.36), (shoulder * 0.8 + swing, 0.8), 0.12, coat, light * shade
    )
    limb((-0.06, 0.86), (-step, 0.06), 0.18, trousers)
    for foot in (-step, step):
        limb((foot - 0.06, 0.04), (foot + 0.13, 0.04), 0.1, (40, 34, 30))
    if rng.random() < 0.2:  # a skirt
        shape(((-0.16, 0.95), (0.16, 0.95), (0.25, 0.5), (-0.25, 0.5)), trousers)
    shape(((-shoulder, 1.4), (-0.1, 1.47), (0.1, 1.47), (shoulder, 1.4), (0.19, hem),
           (-0.19, hem)), coat)  # fmt: skip
    shape(
        ((0.03, 1.46), (shoulder, 1.4), (0.19, hem), (0.05, hem)), coat, light * shade
    )
    limb(
        (-shoulder * 0.9, 1.36), (-shoulder * 0.9 - swing, 0.8), 0.12, coat, light * 0.9
    )
    canvas.disc(at, ((-shoulder * 0.9 - swing) * unit * way, 0.76 * unit),
                (0.06 * unit, 0.07 * unit), skin, PEDESTRIAN, light)  # fmt: skip
    if rng.random() < 0.3:
        shape(((-0.34, 0.5), (-0.12, 0.5), (-0.15, 0.82), (-0.31, 0.82)),
              vary(rng, rng.choice(CLOTHES), 10))  # fmt: skip
    limb((0, 1.42), (0, 1.55), 0.12, skin)
    canvas.disc(
        at, (0, 1.64 * unit), (0.125 * unit, 0.145 * unit), hair, PEDESTRIAN, light
    )
    if sideways or rng.random() < 0.5:
        face = 0.05 * unit * way if sideways else 0.0
        canvas.disc(at, (face, 1.6 * unit), (0.095 * unit, 0.11 * unit), skin,
                    PEDESTRIAN, light)  # fmt: skip


def paint_bicyclist(canvas: Canvas, at: Place, sideways: bool, rng: Random) -> None:
    """Paint a rider and the bicycle; the class covers the wheels' insides too."""
    trousers, coat, frame, helmet = (
        vary(rng, rng.choice(CLOTHES), 14) for _ in range(4)
    )
    if rng.random() < 0.45:
        coat = vary(rng, rng.choice(((206, 224, 60), (236, 122, 40))), 10)
    skin, light, way = rng.choice(SKIN), canvas.light.front(), rng.choice((-1, 1))
    spokes = tuple(0.55 * c + 30 for c in (92, 92, 94))

    def limb(start, end, width, colour, tone=light):
        (a, b), (c, d) = start, end
        canvas.limb(at, (a * way, b), (c * way, d), width, colour, BICYCLIST, tone)

    def disc(centre, radii, colour, tone=light):
        canvas.disc(at, (centre[0] * way, centre[1]), radii, colour, BICYCLIST, tone)

    if sideways:
        for wheel in (-0.53, 0.53):
            disc((wheel, 0.35), (0.37, 0.37), RUBBER)
            disc((wheel, 0.35), (0.29, 0.29), spokes)
            disc((wheel, 0.35), (0.05, 0.05), RUBBER)
        for start, end in (
            ((-0.53, 0.35), (-0.05, 0.33)), ((-0.53, 0.35), (-0.22, 0.85)),
            ((-0.05, 0.33), (-0.22, 0.9)), ((-0.05, 0.33), (0.38, 0.82)),
            ((-0.2, 0.8), (0.38, 0.84)), ((0.38, 0.98), (0.53, 0.35)),
        ):  # fmt: skip
            limb(start, end, 0.07, frame)
        knee = rng.uniform(0.0, 0.2)
        limb((-0.2, 0.98), (0.14, 0.68 - knee), 0.16, trousers, light * 0.7)
        limb((0.14, 0.68 - knee), (0.0, 0.2), 0.13, trousers, light * 0.7)
        limb((-0.2, 0.98), (0.18, 0.66 + knee), 0.18, trousers)
        limb((0.18, 0.66 + knee), (0.02, 0.36 + knee), 0.14, trousers)
        limb((-0.22, 0.95), (0.14, 1.46), 0.3, coat)
        limb((0.14, 1.4), (0.44, 1.02), 0.12, coat, light * 0.85)
        limb((0.36, 1.03), (0.5, 1.03), 0.07, RUBBER)
        disc((0.22, 1.6), (0.12, 0.14), skin)
        disc((0.2, 1.68), (0.15, 0.1), helmet)
        return
    disc((0, 0.36), (0.09, 0.37), RUBBER)
    disc((0, 0.36), (0.035, 0.27), spokes)
    limb((0, 0.5), (0, 0.98), 0.09, frame)
    limb((-0.32, 1.04), (0.32, 1.04), 0.08, RUBBER)
    if rng.random() < 0.35:
        for bag in (-0.2, 0.2):
            limb((bag, 0.42), (bag, 0.72), 0.2, frame, light * 0.9)
    lift = rng.uniform(0.0, 0.22)
    for sign, foot in ((-1, 0.18 + lift), (1, 0.4 - lift)):
        limb((sign * 0.13, 1.0), (sign * 0.17, foot + 0.32), 0.17, trousers)
        limb(
            (sign * 0.17, foot + 0.32),
            (sign * 0.14, foot),
            0.13,
            trousers,
            light * 0.85,
        )
    for sign in (-1, 1):
        limb((sign * 0.22, 1.48), (sign * 0.32, 1.06), 0.12, coat, light * 0.88)
    points = ((-0.25, 1.5), (0.25, 1.5), (0.18, 0.95), (-0.18, 0.95))
    canvas.shape(at, points, coat, BICYCLIST, light)
    half = ((0.04, 1.5), (0.25, 1.5), (0.18, 0.95), (0.04, 0.95))
    canvas.shape(at, half, coat, BICYCLIST, light * 0.8)
    disc((0, 1.64), (0.115, 0.14), skin)
    disc((0, 1.71), (0.14, 0.1), helmet)
