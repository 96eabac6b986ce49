"""The ground of a scene: road, pavements, verges and what is painted on them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from hyperseg_tf.pipelines.road_scenes.canvas import (
    PAVEMENT,
    ROAD,
    TREE,
    Canvas,
    Colour,
)
from hyperseg_tf.pipelines.road_scenes.palette import FAR, KERB, LEAVES, vary


@dataclass(frozen=True)
class Side:
    """One side of the street; distances in metres from the middle of the road.

    Args:
        sign: -1 left, 1 right.
        kind: "terrace" (walls at the pavement), "houses" (front gardens),
            "towers" (tall blocks) or "park" (grass and trees).
        kerb, pavement: Where the road and the pavement end.
        wall: Where the buildings begin.
        parking: Whether cars may stand along the kerb.
    """

    sign: int
    kind: str
    kerb: float
    pavement: float
    wall: float
    parking: bool


@dataclass(frozen=True)
class Street:
    """A street: two sides, lanes up to x = -half and half, perhaps a crossroads.

    `junction` is (near, far) in metres; (0, 0) where there is none.
    """

    half: float
    sides: tuple[Side, Side]
    junction: tuple[float, float]
    asphalt: Colour
    paving: Colour
    grass: Colour

    def blocked(self, near: float, far: float) -> bool:
        """Return whether the stretch near..far touches the crossroads."""
        return near < self.junction[1] and far > self.junction[0]


def draw(rng: Random) -> Street:
    """Draw a street."""
    half = rng.uniform(2.8, 5.0)
    kinds = rng.choices(
        ("terrace", "houses", "towers", "park"), (0.38, 0.3, 0.14, 0.18), k=2
    )
    if kinds == ["park", "park"]:
        kinds[rng.randrange(2)] = "houses"
    sides = []
    for sign, kind in zip((-1, 1), kinds, strict=True):
        parking = rng.random() < 0.4
        kerb = half + (2.1 if parking else 0.2)
        pavement = kerb + rng.uniform(2.4, 4.6)
        setback = {"terrace": 0.0, "houses": 4.0, "towers": 2.5, "park": 30.0}[kind]
        wall = pavement + setback * rng.uniform(0.8, 1.3)
        sides.append(Side(sign, kind, kerb, pavement, wall, parking))
    junction = (0.0, 0.0)
    if rng.random() < 0.4:
        near = rng.uniform(11, 34)
        junction = (near, near + rng.uniform(6, 9))
    grey = rng.uniform(84, 124)
    return Street(
        half=half,
        sides=(sides[0], sides[1]),
        junction=junction,
        asphalt=(grey + rng.uniform(-4, 6), grey, grey + rng.uniform(-5, 7)),
        paving=vary(
            rng, rng.choice(((158, 152, 146), (142, 142, 146), (168, 146, 130))), 12
        ),
        grass=vary(rng, rng.choice(LEAVES[:4]), 10),
    )


def paint_ground(canvas: Canvas, street: Street, rng: Random) -> None:
    """Paint road, kerbs, pavements and verges from far to near, then markings."""
    depths = [FAR]
    while depths[-1] > canvas.camera.near:
        depths.append(depths[-1] / 1.13)
    depths[-1] = canvas.camera.near
    for far, near in zip(depths, depths[1:], strict=False):
        tone = 1 + rng.uniform(-0.02, 0.02)
        for side in street.sides:
            grassy = side.kind in ("park", "houses")
            ground = street.grass if grassy else street.paving
            label = TREE if grassy else PAVEMENT
            outer = side.sign * 90
            edge, kerb = side.sign * side.pavement, side.sign * side.kerb
            _ground(canvas, edge, outer, near, far, ground, label, tone, KERB)
            _ground(canvas, kerb, edge, near, far, street.paving, PAVEMENT, tone, KERB)
        left, right = -street.sides[0].kerb, street.sides[1].kerb
        _ground(canvas, left, right, near, far, street.asphalt, ROAD, tone)
        for side in street.sides:
            x = side.sign * side.kerb
            wall = ((x, 0, near), (x, 0, far), (x, KERB, far), (x, KERB, near))
            stone = tuple(c * 1.12 for c in street.paving)
            if not street.blocked(near, far):
                canvas.face(wall, stone, PAVEMENT, canvas.light.wall(side.sign))
    near, far = street.junction
    if far:
        # The road across: laid over pavement and verge, kerb height and all.
        for side in street.sides:
            x, outer = side.sign * (side.kerb - 0.4), side.sign * 90
            _ground(canvas, x, outer, near, far, street.asphalt, ROAD, 1.0, KERB / 2)
    _slabs(canvas, street, rng)
    _patches(canvas, street, rng)
    _markings(canvas, street, rng)


def _ground(
    canvas: Canvas, left: float, right: float, near: float, far: float,
    colour: Colour, label: int, light: float = 1.0, y: float = 0.0,
) -> None:  # fmt: skip
    near = max(near, canvas.camera.near)
    if far > near:
        corners = ((left, y, near), (left, y, far), (right, y, far), (right, y, near))
        canvas.face(corners, colour, label, light)


def _slabs(canvas: Canvas, street: Street, rng: Random) -> None:
    """Joints between the slabs of the pavement, where they can be seen."""
    dark = tuple(c * 0.86 for c in street.paving)
    step = rng.choice((0.9, 1.4, 2.2))
    for side in street.sides:
        kerb, edge = side.sign * side.kerb, side.sign * side.pavement
        z = canvas.camera.near
        while z < 15:
            if not street.blocked(z, z + 0.1):
                _ground(canvas, kerb, edge, z, z + 0.06, dark, PAVEMENT, 1.0, KERB)
            z += step
        inner = side.sign * (side.kerb + 0.22)
        for z in range(1, 40, 4):
            if not street.blocked(z, z + 4):
                outer = inner + side.sign * 0.05
                _ground(canvas, inner, outer, z, z + 4, dark, PAVEMENT, 1.0, KERB)


def _patches(canvas: Canvas, street: Street, rng: Random) -> None:
    """Repairs, tracks and manholes: the road is not one colour."""
    for x in (-0.75, 0.75) if rng.random() < 0.5 else ():
        for lane in (-street.half / 2, street.half / 2):
            left = lane + x - 0.25
            for z in range(2, 60, 6):
                tone = rng.uniform(0.93, 0.98)
                _ground(canvas, left, left + 0.5, z, z + 6, street.asphalt, ROAD, tone)
    for _ in range(rng.randrange(1, 6)):
        z = 4 * (12 ** rng.random())
        x = rng.uniform(-street.half, street.half - 1)
        tone = rng.choice((0.78, 0.86, 1.12))
        far = z + rng.uniform(0.6, 5)
        width = rng.uniform(0.6, 2)
        _ground(canvas, x, x + width, z, far, street.asphalt, ROAD, tone)


def _markings(canvas: Canvas, street: Street, rng: Random) -> None:
    """Lines, crossings and stop bars; they belong to the road."""
    white = vary(rng, (222, 220, 214), 14)
    if rng.random() < 0.15:
        white = vary(rng, (216, 184, 84), 12)
    wear = rng.uniform(0.45, 1.0)
    paint = tuple(
        a + (w - a) * wear for a, w in zip(street.asphalt, white, strict=True)
    )

    def line(x: float, near: float, far: float, width: float = 0.14) -> None:
        if not street.blocked(near, far):
            _ground(canvas, x - width / 2, x + width / 2, near, far, paint, ROAD)

    dash, gap = rng.choice(((3.0, 3.0), (2.0, 4.0), (4.0, 2.0), (6.0, 0.0)))
    lanes = [0.0] if street.half < 4.8 else [-street.half / 2, 0.0, street.half / 2]
    if rng.random() < 0.9:
        z = -rng.uniform(0, 4)
        while z < 75:
            for x in lanes:
                line(x, z, z + dash)
            z += dash + gap
    if rng.random() < 0.5:
        for z in range(0, 80, 4):
            line(-street.half + 0.1, z, z + 4, 0.12)
            line(street.half - 0.1, z, z + 4, 0.12)
    for side in street.sides:
        if side.parking and rng.random() < 0.5:
            for z in range(3, 45, 6):
                if not street.blocked(z, z + 1):
                    edge = side.sign * side.kerb
                    _ground(
                        canvas, side.sign * street.half, edge, z, z + 0.12, paint, ROAD
                    )
    near, far = street.junction
    crossing = near - 3.6 if far else rng.uniform(7, 26)
    if rng.random() < (0.6 if far else 0.3):
        x = -street.half + 0.3
        while x < street.half - 0.4:
            _ground(canvas, x, x + 0.5, crossing, crossing + 2.8, white, ROAD)
            x += 1.0
    elif far:
        _ground(canvas, 0, street.half, near - 1.2, near - 0.8, paint, ROAD)
