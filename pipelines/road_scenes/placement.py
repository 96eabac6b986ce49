"""Where everything stands along a street, and the shadow it throws.

Nothing is painted here but shadows: a `Thing` is a distance and a painter, called
later, from far to near.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from hyperseg_tf.pipelines.road_scenes import buildings, cars, people, roadside
from hyperseg_tf.pipelines.road_scenes.canvas import Canvas
from hyperseg_tf.pipelines.road_scenes.palette import KERB
from hyperseg_tf.pipelines.road_scenes.street import Side, Street

Thing = tuple[float, Callable[[], None]]
# Ground that is taken: x, z and half the width, in metres.
Taken = list[tuple[float, float, float]]


def line_street(
    canvas: Canvas, street: Street, side: Side, things: list[Thing], rng: Random
) -> None:
    """Line one side of the street: buildings, gardens, fences, trees, furniture."""
    _raise_buildings(canvas, street, side, things, rng)
    _raise_fences(canvas, street, side, things, rng)
    _plant_trees(canvas, street, side, things, rng)
    sign = side.sign
    # Between kerb and walkers: lamp posts at even distances, signs where they fall.
    edge = sign * (side.kerb + 0.4)
    spacing, z = rng.uniform(11, 24), rng.uniform(5, 13)
    height, reach = rng.uniform(5.5, 8.5), -sign * rng.uniform(0.6, 2.0)
    wooden = rng.random() < 0.2
    while z < 75:
        if not street.blocked(z - 0.5, z + 0.5):
            at = (edge, KERB, z)
            if wooden:
                paint = _later(roadside.paint_plain_pole, canvas, at, height, rng)
            else:
                paint = _later(roadside.paint_lamp_post, canvas, at, height, reach, rng)
            things.append((z, paint))
            _shadow_bar(canvas, edge, z, 0.12, height)
        z += spacing
    if rng.random() < 0.3:  # bollards
        z = rng.uniform(5, 12)
        for _ in range(rng.randrange(3, 9)):
            if not street.blocked(z - 0.5, z + 0.5):
                at = (edge, KERB, z)
                paint = _later(roadside.paint_plain_pole, canvas, at, 1.0, rng)
                things.append((z, paint))
            z += 1.9
    kinds = ("round", "triangle", "square", "board", "lights")
    for _ in range(rng.randrange(1, 5)):
        z = 6 * 5 ** rng.random()
        if not street.blocked(z - 0.3, z + 0.3):
            kind = rng.choices(kinds, (3, 2, 2, 1.2, 1.2))[0]
            x = sign * (side.kerb + (1.2 if kind == "board" else 0.55))
            at = (x, KERB, z)
            things.append((z, _later(roadside.paint_sign, canvas, at, kind, rng)))
            _shadow_bar(canvas, x, z, 0.08, 2.4)
    near, _ = street.junction
    if near and rng.random() < 0.6:
        at = (sign * (side.kerb + 0.5), KERB, near - 1)
        things.append((at[2], _later(roadside.paint_sign, canvas, at, "lights", rng)))
    for _ in range(rng.randrange(0, 3)):
        z = 5 * 7 ** rng.random()
        if not street.blocked(z - 1, z + 1):
            x = sign * rng.uniform(side.kerb + 0.7, side.pavement - 0.4)
            things.append((z, _later(roadside.paint_clutter, canvas, x, z, rng)))
            canvas.shadow(_around(x, z, 0.6, 0.4), 0.35)


def _raise_buildings(
    canvas: Canvas, street: Street, side: Side, things: list[Thing], rng: Random
) -> None:
    gaps = {"terrace": 0.25, "houses": 0.9, "towers": 0.7, "park": 0.8}[side.kind]
    lit = 0.55 * canvas.light.night
    z = rng.uniform(-8, 3)
    while z < 110:
        far = z + rng.uniform(7, 16)
        if side.kind == "park" and rng.random() < 0.4:
            z = far
            continue
        if street.blocked(z, far):
            if z < street.junction[0] - 5:
                far = street.junction[0] - 0.5
            else:
                z = street.junction[1] + 1.0
                continue
        # The stream is split: how much of a building is in view must not move
        # anything that is drawn after it.
        own = Random(rng.getrandbits(32))
        paint = _later(buildings.paint_building, canvas, side, z, far, own, lit)
        things.append((far, paint))
        _shadow_building(canvas, side, z, far)
        z = far
        if rng.random() < gaps:
            gap = rng.uniform(1.5, 7)
            if rng.random() < 0.7:
                x = side.sign * (side.wall + rng.uniform(2, 6))
                size = rng.uniform(5, 9)
                paint = _tree(canvas, x, z + gap / 2, size, rng)
                things.append((z + gap / 2, paint))
            z += gap


def _raise_fences(
    canvas: Canvas, street: Street, side: Side, things: list[Thing], rng: Random
) -> None:
    grassy = side.kind in ("houses", "park")
    x = side.sign * (side.pavement + 0.15)
    ground = street.grass if grassy else street.paving
    hedge_height = rng.uniform(0.8, 1.7)
    chance = 0.9 if grassy else 0.0
    z = rng.uniform(0.5, 4)
    while z < 75:
        length = rng.uniform(8, 20)
        kind = rng.random()
        style = roadside.fence_style(rng, ground)
        if kind < chance:
            for panel in range(int(length / 2)):
                near = z + 2 * panel
                if not street.blocked(near, near + 2):
                    things.append((near + 2, _later(
                        roadside.paint_fence, canvas, x, near, near + 2, style,
                        side.sign, rng,
                    )))  # fmt: skip
        elif grassy and not street.blocked(z, z + length):
            own = Random(rng.getrandbits(32))
            things.append((z + length, _later(
                roadside.paint_hedge, canvas, x, z, z + length, hedge_height, own
            )))  # fmt: skip
        z += length + rng.uniform(0, 3)
    if rng.random() < (0.25 if grassy else 0.7):  # a guard rail at the kerb
        x, near = side.sign * (side.kerb + 0.2), rng.uniform(4, 16)
        style = roadside.fence_style(rng, street.paving)
        for panel in range(rng.randrange(3, 9)):
            start = near + 2 * panel
            if not street.blocked(start, start + 2):
                things.append((start + 2, _later(
                    roadside.paint_fence, canvas, x, start, start + 2, style,
                    side.sign, rng,
                )))  # fmt: skip


def _plant_trees(
    canvas: Canvas, street: Street, side: Side, things: list[Thing], rng: Random
) -> None:
    places: list[tuple[float, float, float]] = []
    if side.kind == "park":
        for _ in range(rng.randrange(9, 17)):
            places.append((
                side.pavement + rng.uniform(2, 16), 7 * 10 ** rng.random(),
                rng.uniform(4.5, 11),
            ))  # fmt: skip
    elif side.kind == "houses":
        for _ in range(rng.randrange(2, 6)):
            places.append((
                side.pavement + rng.uniform(1, 2.4), 8 * 8 ** rng.random(),
                rng.uniform(2.2, 6),
            ))  # fmt: skip
    if rng.random() < (0.3 if side.kind == "terrace" else 0.45):  # an avenue
        spacing, size, z = rng.uniform(8, 15), rng.uniform(4.5, 7.5), rng.uniform(6, 14)
        while z < 80:
            places.append((side.kerb + 0.9, z, size * rng.uniform(0.85, 1.15)))
            z += spacing
    for x, z, size in places:
        if not street.blocked(z - 1.5, z + 1.5):
            things.append((z, _tree(canvas, side.sign * x, z, size, rng)))
            _shadow_crown(canvas, side.sign * x, z, size)


def place_traffic(
    canvas: Canvas, street: Street, things: list[Thing], taken: Taken, rng: Random
) -> None:
    """Put cars on the lanes, along the kerb and across the junction."""
    driving = 1 if canvas.camera.x > 0 else -1
    kinds = ("hatchback", "saloon", "estate", "van", "bus")
    parked: list[tuple[float, float, float]] = []

    def park(x: float, z: float, away: bool, weights: tuple[float, ...]) -> None:
        kind = rng.choices(kinds, weights)[0]
        length = 11.5 if kind == "bus" else 5.4
        if street.blocked(z, z + length) and rng.random() < 0.7:
            return
        if any(
            abs(x - other) < 2.4 and z < end + 0.8 and z + length > begin - 0.8
            for other, begin, end in parked
        ):
            return
        parked.append((x, z, z + length))
        # Sorted by its middle: a person beside the boot is nearer than the car.
        paint = _later(cars.paint_car, canvas, x, z, away, kind, rng)
        things.append((z + 0.1, paint))
        half = 1.25 if kind == "bus" else 0.95
        canvas.shadow(_box(x - half, x + half, z - 0.15, z + length - 1), 0.62)
        sx, sz = canvas.light.shadow
        sx = -sx * canvas.light.sun_side * 1.3
        if canvas.light.sun > 0.5:
            left, right = min(x - half, x - half + sx), max(x + half, x + half + sx)
            canvas.shadow(_box(left, right, z + sz, z + length - 1 + sz), 0.5)

    for side in street.sides:
        if side.parking:
            z = rng.uniform(3.5, 14)
            for _ in range(rng.randrange(1, 7)):
                x = side.sign * (side.kerb - 1.05)
                park(x, z, side.sign == driving, (3, 2, 2, 1, 0))
                z += rng.uniform(5.7, 11)
        lane = side.sign * street.half / 2
        away = side.sign == driving
        for _ in range(rng.randrange(0, 4)):
            z = (9 if away else 6) * 8 ** rng.random()
            x = lane + rng.uniform(-0.3, 0.3)
            park(x, z, away, (3, 3, 2, 1, 0.5))
    near, far = street.junction
    if far and rng.random() < 0.5:
        x, z = rng.uniform(-9, 9), (near + far) / 2
        if not any(begin < z < end and abs(x - o) < 4 for o, begin, end in parked):
            paint = _later(cars.paint_crossing_car, canvas, x, z, rng)
            things.append((z, paint))
            canvas.shadow(_box(x - 2.1, x + 2.1, z - 0.3, z + 1.5), 0.6)
    for x, begin, end in parked:
        taken.extend((x, z, 1.3) for z in range(int(begin), int(end) + 1))


def place_people(
    canvas: Canvas, street: Street, things: list[Thing], taken: Taken, rng: Random
) -> None:
    """Put people on the pavements, some on the road, and cyclists by the kerb."""

    def put(x: float, y: float, z: float, paint: Callable, *args) -> None:
        if any(abs(x - ox) < room + 0.2 and abs(z - oz) < 1 for ox, oz, room in taken):
            return
        taken.append((x, z, 0.45))
        own = Random(rng.getrandbits(32))
        things.append((z, _later(paint, canvas, (x, y, z), *args, own)))
        canvas.shadow(_around(x, z, 0.35, 0.25), 0.4)
        _shadow_bar(canvas, x, z, 0.22, 1.7)

    for _ in range(rng.randrange(5, 14)):
        side = rng.choice(street.sides)
        x = side.sign * rng.uniform(side.kerb + 0.5, side.pavement - 0.3)
        z = 5.0 * 4.5 ** rng.random()
        y = 0.0 if street.blocked(z, z) else KERB
        put(x, y, z, people.paint_pedestrian, rng.uniform(1.5, 1.95))
        if rng.random() < 0.3:
            z += rng.uniform(-0.3, 0.3)
            height = rng.uniform(1.1, 1.9)
            put(x + rng.uniform(0.75, 0.95), y, z, people.paint_pedestrian, height)
    if rng.random() < 0.3:
        for _ in range(rng.randrange(1, 4)):
            x, z = rng.uniform(-street.half, street.half), 7 * 3 ** rng.random()
            put(x, 0.0, z, people.paint_pedestrian, rng.uniform(1.5, 1.95))
    for _ in range(rng.randrange(1, 5)):
        side = rng.choice(street.sides)
        z = 5.5 * 4 ** rng.random()
        x = side.sign * (street.half - rng.uniform(0.1, 1.3))
        put(x, 0.0, z, people.paint_bicyclist, False)
    if rng.random() < 0.4:
        x, z = rng.uniform(-street.half, street.half), 6.5 * 3 ** rng.random()
        put(x, 0.0, z, people.paint_bicyclist, True)


def _later(paint: Callable, *args) -> Callable[[], None]:
    return lambda: paint(*args)


def _tree(canvas: Canvas, x: float, z: float, size: float, rng: Random) -> Callable:
    own, conifer = Random(rng.getrandbits(32)), rng.random() < 0.14
    return _later(roadside.paint_tree, canvas, x, z, size, conifer, own)


def _box(left: float, right: float, near: float, far: float) -> list:
    return [(left, near), (left, far), (right, far), (right, near)]


def _around(x: float, z: float, across: float, along: float) -> list:
    ring = ((1, 0), (0.7, 0.7), (0, 1), (-0.7, 0.7), (-1, 0), (-0.7, -0.7), (0, -1),
            (0.7, -0.7))  # fmt: skip
    return [(x + a * across, z + b * along) for a, b in ring]


def _thrown(canvas: Canvas, height: float) -> tuple[float, float]:
    """Return how far (x, z) the shadow of a point `height` metres up falls."""
    x, z = canvas.light.shadow
    return -x * canvas.light.sun_side * height, z * height


def _shadow_bar(canvas: Canvas, x: float, z: float, half: float, height: float) -> None:
    if canvas.light.sun > 0.5:
        dx, dz = _thrown(canvas, height)
        points = [(x - half, z - half), (x + dx, z + dz), (x + half, z + half)]
        points.insert(1, (x + dx - half, z + dz - half))
        canvas.shadow(points, 0.5 * canvas.light.sun)


def _shadow_crown(canvas: Canvas, x: float, z: float, size: float) -> None:
    canvas.shadow(_around(x, z, size * 0.2, size * 0.12), 0.3)
    if canvas.light.sun > 0.5:
        dx, dz = _thrown(canvas, size * 0.65)
        canvas.shadow(_around(x + dx, z + dz, size * 0.34, size * 0.3), 0.5)
        _shadow_bar(canvas, x, z, 0.15, size * 0.6)


def _shadow_building(canvas: Canvas, side: Side, near: float, far: float) -> None:
    if canvas.light.sun > 0.5 and side.sign == canvas.light.sun_side:
        height = {"terrace": 10, "houses": 7, "towers": 22, "park": 12}[side.kind]
        dx, dz = _thrown(canvas, height)
        x = side.sign * side.wall
        corners = [(x, near), (x, far), (x + dx, far + dz), (x + dx, near + dz)]
        canvas.shadow(corners, 0.52 * canvas.light.sun)
