"""Buildings: plans, facades with windows, and the skyline far away."""

from __future__ import annotations

from random import Random

from hyperseg_tf.pipelines.road_scenes.canvas import BUILDING, TREE, Canvas, Colour
from hyperseg_tf.pipelines.road_scenes.palette import (
    BRICK,
    FAR,
    LEAVES,
    PLASTER,
    ROOFS,
    vary,
)
from hyperseg_tf.pipelines.road_scenes.street import Side


def paint_backdrop(canvas: Canvas, rng: Random) -> None:
    """Paint what closes the view far away: a line of roofs and treetops."""
    camera = canvas.camera
    _, base = camera.project(0, 0, FAR)
    base = max(base, camera.v) + 3
    unit = camera.focal / FAR
    u = -rng.uniform(0, 20) * unit
    while u < canvas.size[0]:
        width = rng.uniform(6, 26) * unit
        if rng.random() < 0.5:
            top = base - rng.uniform(5, 19) * unit
            ink = canvas.ink(vary(rng, rng.choice(PLASTER), 20), FAR, BUILDING, 0.9)
            box = ((u, base), (u, top), (u + width, top), (u + width, base))
            canvas.polygon(box, ink)
        else:
            top = base - rng.uniform(4, 11) * unit
            ink = canvas.ink(vary(rng, rng.choice(LEAVES), 12), FAR, TREE)
            points = [(u - 0.2 * width, base)]
            points += [
                (u + width * i / 6, top + rng.uniform(0, 3) * unit) for i in range(7)
            ]
            canvas.polygon([*points, (u + 1.2 * width, base)], ink)
        u += width * rng.uniform(0.7, 1.0)


def paint_building(
    canvas: Canvas, side: Side, near: float, far: float, rng: Random, light_on: float
) -> None:
    """Paint one building: gable end, roof, facade with storeys and windows."""
    plan = _building_plan(side, rng)
    x, sign, height = side.sign * side.wall, side.sign, plan["height"]
    start = max(near, canvas.camera.near)
    if far <= start:
        return
    wall = canvas.light.wall(sign) * rng.uniform(0.95, 1.05)
    colour = plan["colour"]
    depth = x + sign * 11
    end = [(x, 0, start), (x, height, start), (depth, height, start), (depth, 0, start)]
    ridge = height + plan["roof"]
    if plan["roof"]:
        middle = x + sign * 5.5
        slope = (
            (x - sign * 0.4, height - 0.2, start),
            (x - sign * 0.4, height - 0.2, far),
            (middle, ridge, far),
            (middle, ridge, start),
        )
        canvas.face(slope, rng.choice(ROOFS), BUILDING, canvas.light.wall(sign) * 1.05)
        end.insert(2, (middle, ridge, start))
    if near > canvas.camera.near:
        canvas.face(end, colour, BUILDING, canvas.light.front())
        _end_windows(canvas, x, sign, start, height, rng)
    # In pieces, so that each takes the haze and the dirt of its own distance.
    pieces = max(1, min(4, int((far - start) / 4)))
    for i in range(pieces):
        z1 = start + (far - start) * i / pieces
        z2 = start + (far - start) * (i + 1) / pieces
        _wall(canvas, x, z1, z2, 0, height, colour, wall * rng.uniform(0.97, 1.03))
    trim = tuple(min(c * 1.16, 255) for c in colour)
    if plan["bands"]:
        for y in (plan["ground"], height - 0.35):
            _wall(canvas, x, start, far, y, y + 0.3, trim, wall)
    _windows(canvas, side, near, far, plan, wall, rng, light_on)


def _building_plan(side: Side, rng: Random) -> dict:
    storey = rng.uniform(2.8, 3.5)
    storeys = {
        "terrace": rng.randrange(2, 5),
        "houses": rng.randrange(1, 3),
        "towers": rng.randrange(5, 11),
        "park": rng.randrange(2, 7),
    }[side.kind]
    ground = rng.uniform(3.0, 3.9)
    pitched = side.kind == "houses" or (side.kind == "terrace" and rng.random() < 0.5)
    brick = rng.random() < 0.4 and side.kind != "towers"
    return {
        "storey": storey,
        "storeys": storeys,
        "ground": ground,
        "height": ground + storey * storeys + rng.uniform(0.2, 0.9),
        "roof": rng.uniform(2.0, 4.0) if pitched else 0.0,
        "colour": vary(rng, rng.choice(BRICK if brick else PLASTER), 22),
        "shop": side.kind in ("terrace", "towers") and rng.random() < 0.45,
        "bands": rng.random() < 0.6,
        "pitch": rng.uniform(1.9, 3.4),
        "pane": (rng.uniform(0.4, 0.72), rng.uniform(0.42, 0.66)),
        "frame": rng.choice(((232, 230, 224), (90, 84, 80), (188, 180, 168))),
    }


def _wall(
    canvas: Canvas, x: float, z1: float, z2: float, y1: float, y2: float,
    colour: Colour, light: float,
) -> None:  # fmt: skip
    corners = ((x, y1, z1), (x, y1, z2), (x, y2, z2), (x, y2, z1))
    canvas.face(corners, colour, BUILDING, light)


def _glass(canvas: Canvas, rng: Random, light_on: float) -> tuple[Colour, float]:
    """Return colour and light of a pane: lamp-lit, mirroring the sky, or dark."""
    if rng.random() < light_on:
        return vary(rng, (250, 206, 128), 24), 1.35
    if rng.random() < 0.35:
        return tuple(c * 0.62 for c in canvas.light.haze), 1.0
    return vary(rng, (58, 64, 74), 18), 1.0


def _windows(
    canvas: Canvas, side: Side, near: float, far: float, plan: dict, wall: float,
    rng: Random, light_on: float,
) -> None:  # fmt: skip
    x = side.sign * side.wall
    columns = max(1, int((far - near) / plan["pitch"]))
    pitch = (far - near) / columns
    wide, tall = plan["pane"]
    for column in range(columns):
        z1 = near + pitch * (column + (1 - wide) / 2)
        z2 = z1 + pitch * wide
        if z1 < canvas.camera.near or canvas.pixels(1.3, z1) < 4:
            continue
        close = canvas.pixels(1.3, z1) > 16
        for floor in range(plan["storeys"]):
            y = plan["ground"] + plan["storey"] * (floor + (1 - tall) * 0.55)
            top = y + plan["storey"] * tall
            if close:
                _wall(canvas, x, z1 - 0.1, z2 + 0.1, y - 0.14, top + 0.1,
                      plan["frame"], wall)  # fmt: skip
            glass, shine = _glass(canvas, rng, light_on)
            _wall(canvas, x, z1, z2, y, top, glass, shine)
            if close:
                middle = (z1 + z2) / 2
                _wall(canvas, x, middle - 0.05, middle + 0.05, y, top,
                      plan["frame"], wall)  # fmt: skip
        door = not plan["shop"] and column % 3 == 1
        if plan["shop"]:
            y, top, z1, z2 = 0.5, 2.5, z1 - pitch * 0.12, z2 + pitch * 0.12
        elif door:
            y, top, z2 = 0.0, 2.2, min(z2, z1 + 1.0)
        else:
            y, top = 0.95, 0.95 + plan["storey"] * tall
        if door:
            paint = vary(
                rng, rng.choice(((96, 40, 36), (40, 62, 84), (70, 60, 50))), 12
            )
            _wall(canvas, x, z1, z2, y, top, paint, wall)
        else:
            glass, shine = _glass(canvas, rng, light_on * 1.6)
            _wall(canvas, x, z1, z2, y, top, glass, shine)
    if plan["shop"]:
        awning = vary(rng, rng.choice(
            ((150, 44, 40), (44, 84, 62), (48, 66, 118), (196, 170, 110), (60, 58, 60))
        ), 18)  # fmt: skip
        start = max(near + 0.4, canvas.camera.near)
        if far - 0.4 > start:
            _wall(canvas, x, start, far - 0.4, 2.7, 3.3, awning, wall)


def _end_windows(
    canvas: Canvas, x: float, sign: int, z: float, height: float, rng: Random
) -> None:
    if canvas.pixels(1.3, z) < 5 or rng.random() < 0.4:
        return
    y = 1.2
    while y + 1.8 < height:
        for step in (2.0, 5.5):
            left = x + sign * step
            right = left + sign * 1.2
            glass, shine = _glass(canvas, rng, 0.0)
            corners = (
                (left, y, z),
                (left, y + 1.4, z),
                (right, y + 1.4, z),
                (right, y, z),
            )
            canvas.face(corners, glass, BUILDING, shine)
        y += 3.1
