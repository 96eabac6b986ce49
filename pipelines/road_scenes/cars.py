"""Cars, vans and buses along the street, and cars that cross it."""

from __future__ import annotations

from random import Random

from hyperseg_tf.pipelines.road_scenes.canvas import CAR, Canvas, Colour, Place
from hyperseg_tf.pipelines.road_scenes.palette import PAINTS, vary

GLASS = (50, 58, 68)
RUBBER = (26, 26, 28)
# kind: width, length, height, then the cabin's foot and top as shares of the length.
CARS = {
    "hatchback": (1.75, 4.0, 1.5, (0.02, 0.72), (0.14, 0.52)),
    "saloon": (1.82, 4.6, 1.45, (0.16, 0.74), (0.32, 0.58)),
    "estate": (1.85, 4.7, 1.62, (0.01, 0.72), (0.08, 0.56)),
    "van": (2.0, 5.2, 2.35, (0.0, 0.88), (0.02, 0.72)),
}


def paint_car(
    canvas: Canvas, x: float, z: float, away: bool, kind: str, rng: Random
) -> None:
    """Paint a car whose near end is at z and whose middle is at x.

    Args:
        away: Whether it shows its back.
        kind: A key of `CARS`, or "bus".
    """
    paint = vary(rng, rng.choice(PAINTS), 12)
    if kind == "bus":
        _bus(canvas, x, z, away, paint, rng)
        return
    width, length, height, foot, top = CARS[kind]
    if not away:
        foot, top = (1 - foot[1], 1 - foot[0]), (1 - top[1], 1 - top[0])
    left, right, far = x - width / 2, x + width / 2, z + length
    belt = 0.92 if kind != "van" else 1.15
    light = canvas.light
    foot = tuple(z + length * share for share in foot)
    top = tuple(z + length * share for share in top)

    def quad(corners: tuple[Place, ...], colour: Colour, tone: float) -> None:
        canvas.face(corners, colour, CAR, tone)

    deck = ((left, belt, z), (left, belt, far), (right, belt, far), (right, belt, z))
    shut = ((left, 0.12, z), (left, 0.12, far), (right, 0.12, far), (right, 0.12, z))
    quad(shut, RUBBER, 0.8)
    for edge, inner, sign in ((left, left + 0.14, -1), (right, right - 0.14, 1)):
        if not _seen(canvas, edge, z, far, sign):
            continue
        tone = light.wall(-sign) * 0.92
        quad(((edge, 0.28, z), (edge, 0.28, far), (edge, belt, far), (edge, belt, z)),
             paint, tone)  # fmt: skip
        quad(((edge, belt, foot[0]), (edge, belt, foot[1]), (inner, height, top[1]),
              (inner, height, top[0])), paint, tone)  # fmt: skip
        _side_glass(canvas, edge, inner, belt, height, foot, top, kind)
        for share in (0.19, 0.81):
            _wheel(canvas, edge, z + length * share)
    quad(deck, paint, 1.06 + 0.1 * light.sun)
    roof = tuple(
        (px, height, pz)
        for px, pz in (
            (left + 0.14, top[0]), (left + 0.14, top[1]),
            (right - 0.14, top[1]), (right - 0.14, top[0]),
        )
    )  # fmt: skip
    front = light.front()
    screen = (
        (left + 0.03, belt, foot[0]),
        (left + 0.14, height, top[0]),
        (right - 0.14, height, top[0]),
        (right - 0.03, belt, foot[0]),
    )
    quad(screen, paint, front)
    glass = tuple(c * 0.5 for c in light.haze) if rng.random() < 0.5 else GLASS
    pane = (
        (left + 0.17, belt + 0.06, foot[0]),
        (left + 0.26, height - 0.1, top[0]),
        (right - 0.26, height - 0.1, top[0]),
        (right - 0.17, belt + 0.06, foot[0]),
    )
    quad(pane, glass, 1.0)
    if canvas.camera.height > height:
        quad(roof, paint, 1.1 + 0.1 * light.sun)
    _car_end(canvas, x, z, width, belt, away, paint, front)


def _seen(canvas: Canvas, x: float, near: float, far: float, sign: int) -> bool:
    """Return whether the long side at x, the left (-1) or right (1), is visible."""
    shift = canvas.camera.project(x, 0, far)[0] - canvas.camera.project(x, 0, near)[0]
    return shift * sign > 0


def _side_glass(
    canvas: Canvas, edge: float, inner: float, belt: float, height: float,
    foot: tuple[float, ...], top: tuple[float, ...], kind: str,
) -> None:  # fmt: skip
    low, high = belt + 0.05, height - 0.1
    inset = 0.2 if kind != "van" else 1.6
    for i in range(2):
        a, b = (0.04, 0.48) if i == 0 else (0.53, 0.95)
        if kind == "van" and i == 0:
            continue
        span_low, span_top = foot[1] - foot[0], top[1] - top[0]
        corners = (
            (edge, low, foot[0] + span_low * a + inset * (i == 0) * 0.5),
            (edge, low, foot[0] + span_low * b),
            (inner, high, top[0] + span_top * b),
            (inner, high, top[0] + span_top * a + inset * (i == 0) * 0.3),
        )
        canvas.face(corners, GLASS, CAR)


def _wheel(canvas: Canvas, x: float, z: float, radius: float = 0.33) -> None:
    ring = ((1, 0), (0.7, 0.7), (0, 1), (-0.7, 0.7), (-1, 0), (-0.7, -0.7), (0, -1),
            (0.7, -0.7))  # fmt: skip
    for share, colour in ((1.0, RUBBER), (0.55, (130, 132, 136))):
        reach = radius * share
        corners = [
            (x, radius + b * reach, max(z + a * reach, canvas.camera.near))
            for a, b in ring
        ]
        canvas.face(corners, colour, CAR)


def _car_end(
    canvas: Canvas, x: float, z: float, width: float, belt: float, away: bool,
    paint: Colour, light: float,
) -> None:  # fmt: skip
    """The near end: tyres, body, bumper, plate and lamps."""
    half = width / 2
    at = (x, 0.0, z)

    def box(x1: float, y1: float, x2: float, y2: float, colour: Colour, tone: float):
        canvas.shape(at, ((x1, y1), (x2, y1), (x2, y2), (x1, y2)), colour, CAR, tone)

    for sign in (-1, 1):
        box(sign * half, 0, sign * (half - 0.24), 0.4, RUBBER, 1.0)
    box(-half + 0.24, 0.16, half - 0.24, 0.4, RUBBER, 0.9)
    box(-half, 0.3, half, belt, paint, light)
    box(-half, 0.3, half, 0.52, tuple(c * 0.62 for c in paint), light)
    if not away:
        box(-half * 0.5, 0.52, half * 0.5, 0.68, (34, 34, 38), 1.0)
    box(-0.26, 0.4 if not away else 0.56, 0.26, 0.52 if not away else 0.68,
        (226, 222, 190), light)  # fmt: skip
    lamp = (190, 28, 26) if away else (242, 240, 222)
    for sign in (-1, 1):
        box(sign * half * 0.98, 0.62, sign * half * 0.68, 0.82, lamp, 1.1)
        glow = (150, 14, 10) if away else (235, 220, 180)
        canvas.glow((x + sign * half * 0.83, 0.72, z), 0.17, glow)


def _bus(
    canvas: Canvas, x: float, z: float, away: bool, paint: Colour, rng: Random
) -> None:
    width, length, height = 2.5, rng.uniform(8, 11), 3.1
    left, right, far = x - width / 2, x + width / 2, z + length
    for edge, sign in ((left, -1), (right, 1)):
        if not _seen(canvas, edge, z, far, sign):
            continue
        tone = canvas.light.wall(-sign) * 0.92

        def side(z1, z2, y1, y2, colour, tone, edge=edge):
            corners = ((edge, y1, z1), (edge, y1, z2), (edge, y2, z2), (edge, y2, z1))
            canvas.face(corners, colour, CAR, tone)

        side(z, far, 0.3, height, paint, tone)
        for i in range(6):
            start = z + 0.3 + i * (length - 0.6) / 6
            side(start, start + (length - 0.6) / 6 * 0.88, 1.4, 2.5, GLASS, 1.0)
        for share in (0.2, 0.78):
            _wheel(canvas, edge, z + length * share, 0.48)
    at, half, light = (x, 0.0, z), width / 2, canvas.light.front()
    for x1, y1, x2, y2, colour in (
        (-half, 0.3, half, height, paint),
        (-half * 0.88, 1.3, half * 0.88, 2.5, GLASS),
        (-half * 0.6, 2.6, half * 0.6, 2.95, (30, 30, 32)),
        (-half, 0.3, half, 0.6, tuple(c * 0.6 for c in paint)),
        (-half, 0.0, -half + 0.35, 0.35, RUBBER),
        (half - 0.35, 0.0, half, 0.35, RUBBER),
    ):
        canvas.shape(at, ((x1, y1), (x2, y1), (x2, y2), (x1, y2)), colour, CAR, light)
    lamp = (190, 28, 26) if away else (242, 240, 222)
    for sign in (-1, 1):
        canvas.disc(at, (sign * half * 0.8, 0.85), (0.14, 0.14), lamp, CAR, 1.1)
        canvas.glow((x + sign * half * 0.8, 0.85, z), 0.2, lamp)


def paint_crossing_car(canvas: Canvas, x: float, z: float, rng: Random) -> None:
    """Paint a car that crosses the street: its long side faces the camera."""
    paint = vary(rng, rng.choice(PAINTS), 12)
    at, way = (x, 0.05, z), rng.choice((-1, 1))
    light = canvas.light.front()

    def shape(points: tuple[tuple[float, float], ...], colour: Colour, tone: float):
        canvas.shape(at, [(px * way, py) for px, py in points], colour, CAR, tone)

    shape(((-2.1, 0.25), (2.1, 0.25), (2.12, 0.7), (1.3, 0.92), (-2.05, 0.95)),
          paint, light)  # fmt: skip
    shape(((-1.95, 0.9), (1.2, 0.9), (0.45, 1.45), (-1.35, 1.45)), paint, light * 1.05)
    shape(((-1.7, 0.95), (-0.45, 0.95), (-0.45, 1.37), (-1.25, 1.37)), GLASS, 1.0)
    shape(((-0.35, 0.95), (0.98, 0.95), (0.42, 1.37), (-0.35, 1.37)), GLASS, 1.0)
    shape(((-2.1, 0.25), (2.1, 0.25), (2.1, 0.42), (-2.1, 0.42)), paint, light * 0.6)
    for wheel in (-1.3, 1.3):
        canvas.disc(at, (wheel, 0.3), (0.34, 0.34), RUBBER, CAR)
        canvas.disc(at, (wheel, 0.3), (0.19, 0.19), (140, 142, 146), CAR)
