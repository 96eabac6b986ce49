"""What grows and stands beside the road: trees, fences, poles, signs, clutter.

Everything is drawn at the place where it touches the ground, in metres.
"""

from __future__ import annotations

from random import Random

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.pipelines.road_scenes.canvas import (
    FENCE,
    POLE,
    SIGN,
    TREE,
    Canvas,
    Colour,
    Place,
)
from hyperseg_tf.pipelines.road_scenes.palette import KERB, LEAVES, vary


def paint_tree(
    canvas: Canvas, x: float, z: float, size: float, conifer: bool, rng: Random
) -> None:
    """Paint a tree `size` metres tall: trunk, then leaves from shade to light."""
    at = (x, KERB, z)
    bark = vary(rng, (84, 70, 58), 14)
    leaf = vary(rng, rng.choice(LEAVES), 14)
    pixels = canvas.pixels(size, z)
    blobs = 10 if pixels < 30 else 26 if pixels < 110 else 60
    trunk = size * 0.05
    canvas.limb(at, (0, 0), (0, size * 0.5), trunk, bark, TREE)
    if conifer:
        for i in range(5):
            y, half = size * (0.12 + 0.16 * i), size * (0.24 - 0.042 * i)
            for light, shift in ((0.7, 0.0), (1.0, -canvas.light.sun_side * 0.06)):
                points = ((-half, y), (half, y), (shift * size, y + size * 0.26))
                tone = light * rng.uniform(0.85, 1.05)
                canvas.shape(at, points, leaf, TREE, tone * (0.7 + 0.06 * i))
        return
    a, b = size * rng.uniform(0.26, 0.38), size * rng.uniform(0.28, 0.36)
    middle = size - b
    for i in range(blobs):
        # Later blobs lie higher and towards the sun, and are lighter.
        share = i / blobs
        px, py = rng.uniform(-1, 1), rng.uniform(-1, 1)
        if px * px + py * py > 1:
            px, py = px * 0.66, py * 0.66
        py = py * 0.9 + 0.22 * (share - 0.5)
        px += canvas.light.sun * canvas.light.sun_side * 0.2 * (share - 0.5)
        radius = size * rng.uniform(0.05, 0.15) * (1.35 - 0.8 * share)
        tone = 0.52 + 0.62 * share + 0.12 * py + rng.uniform(-0.1, 0.1)
        centre = (px * a, middle + py * b)
        canvas.disc(at, centre, (radius * 1.15, radius), leaf, TREE, tone)


def paint_hedge(
    canvas: Canvas, x: float, near: float, far: float, height: float, rng: Random
) -> None:
    """Paint a hedge along the street at x, from far to near."""
    leaf = vary(rng, rng.choice(LEAVES), 12)
    near = max(near, canvas.camera.near)
    step = 0.9 if canvas.pixels(1, near) > 20 else 2.0
    z = far
    while z > near:
        tone = rng.uniform(0.7, 1.0)
        corners = (
            (x, 0, z - step), (x, 0, z),
            (x, height * rng.uniform(0.85, 1), z),
            (x, height * rng.uniform(0.85, 1), max(z - step, near)),
        )  # fmt: skip
        corners = tuple((cx, cy, max(cz, near)) for cx, cy, cz in corners)
        canvas.face(corners, leaf, TREE, tone)
        for _ in range(2):
            centre = (rng.uniform(-0.3, 0.3), height * rng.uniform(0.6, 1.0))
            radius = rng.uniform(0.2, 0.4)
            at = (x, 0, max(z - step / 2, near))
            canvas.disc(at, centre, (radius, radius), leaf, TREE, tone * 1.12)
        z -= step


def paint_fence(
    canvas: Canvas, x: float, near: float, far: float, style: dict, sign: int,
    rng: Random,
) -> None:  # fmt: skip
    """Paint one panel of a fence along the street at x; `style` from `fence_style`."""
    near = max(near, canvas.camera.near)
    if far <= near:
        return
    height, colour, kind = style["height"], style["colour"], style["kind"]
    light = canvas.light.wall(sign) * rng.uniform(0.94, 1.06)

    def bar(z1: float, z2: float, y1: float, y2: float, tone: float = 1.0) -> None:
        corners = ((x, y1, z1), (x, y1, z2), (x, y2, z2), (x, y2, z1))
        canvas.face(corners, colour, FENCE, light * tone)

    bottom = KERB + (0.0 if kind == "boards" else 0.1)
    length = far - near
    if kind == "boards":
        bar(near, far, bottom, height)
        count = 6 if canvas.pixels(length, near) > 40 else 3
        for i in range(count):
            z = near + length * i / count
            bar(z, z + 0.05, bottom, height, 0.72)
    else:
        # What shines through is one muted colour; the class is the fence's.
        corners = (
            (x, bottom, near), (x, bottom, far), (x, height, far), (x, height, near),
        )  # fmt: skip
        canvas.face(corners, style["behind"], FENCE)
        count = 10 if canvas.pixels(length, near) > 60 else 5
        for i in range(count):
            z = near + length * (i + 0.3) / count
            bar(z, z + length / count * 0.42, bottom, height)
        for y in (bottom + 0.12, height - 0.12):
            bar(near, far, y, y + 0.09, 0.92)
    bar(near, near + 0.14, 0, height + 0.08, 0.85)


def fence_style(rng: Random, ground: Colour) -> dict:
    """Draw what the fences of one stretch look like."""
    kind = rng.choice(("boards", "pickets", "railing"))
    colours = {
        "boards": ((128, 96, 66), (150, 120, 86), (104, 92, 80), (112, 76, 52)),
        "pickets": ((222, 218, 208), (170, 140, 104), (190, 186, 180)),
        "railing": ((58, 60, 64), (46, 70, 58), (150, 154, 158), (72, 66, 84)),
    }[kind]
    return {
        "kind": kind,
        "colour": vary(rng, rng.choice(colours), 10),
        "height": rng.uniform(1.2, 2.0) if kind == "boards" else rng.uniform(1.05, 1.6),
        "behind": tuple(c * 0.72 + 18 for c in ground),
    }


def paint_clutter(canvas: Canvas, x: float, z: float, rng: Random) -> None:
    """Paint something no class covers: a bin, a box, a bench; its label is void."""
    at = (x, KERB, z)
    colour = vary(rng, rng.choice(
        ((44, 74, 56), (54, 66, 96), (60, 60, 62), (150, 116, 78), (150, 60, 48))
    ), 14)  # fmt: skip
    light = canvas.light.front()
    half, height = rng.uniform(0.28, 0.5), rng.uniform(0.8, 1.25)
    if rng.random() < 0.3:  # a bench
        for y in (0.45, 0.75):
            box = ((-0.8, y), (0.8, y), (0.8, y + 0.16), (-0.8, y + 0.16))
            canvas.shape(at, box, colour, VOID, light)
        for leg in (-0.7, 0.7):
            canvas.limb(at, (leg, 0), (leg, 0.5), 0.1, (60, 60, 60), VOID)
        return
    box = ((-half, 0), (half, 0), (half * 1.1, height), (-half * 1.1, height))
    canvas.shape(at, box, colour, VOID, light)
    shaded = ((half * 0.3, 0), (half, 0), (half * 1.1, height), (half * 0.3, height))
    canvas.shape(at, shaded, colour, VOID, light * 0.8)
    lid = half * 1.2
    lid_box = (
        (-lid, height),
        (lid, height),
        (lid * 0.9, height + 0.1),
        (-lid, height + 0.1),
    )
    canvas.shape(at, lid_box, colour, VOID, light * 1.25)


def paint_lamp_post(
    canvas: Canvas, at: Place, height: float, reach: float, rng: Random
) -> None:
    """Paint a lamp post whose arm reaches `reach` metres to the right."""
    colour = vary(rng, rng.choice(((108, 112, 114), (70, 74, 74), (134, 130, 122))), 12)
    light = canvas.light.front()
    width = thick(canvas, 0.2, at[2])
    canvas.limb(at, (0, 0), (0, 1.1), width * 1.35, colour, POLE, light)
    canvas.limb(at, (0, 1.0), (0, height), width, colour, POLE, light)
    edge = (width * 0.28, 0.0)
    canvas.limb(
        at, (edge[0], 0), (edge[0], height), width * 0.4, colour, POLE, light * 0.7
    )
    arm = thick(canvas, 0.11, at[2], 1.0)
    canvas.limb(at, (0, height - 0.1), (reach, height + 0.3), arm, colour, POLE, light)
    lamp = (reach * 1.2, height + 0.3)
    head = (250, 236, 190) if canvas.light.night else (176, 178, 176)
    canvas.disc(at, lamp, (0.42, 0.15), head, POLE)
    x, y, z = at
    canvas.glow((x + lamp[0], y + lamp[1], z), 0.45, (255, 214, 140))


def paint_plain_pole(canvas: Canvas, at: Place, height: float, rng: Random) -> None:
    """Paint a bollard or a wooden telegraph pole, by height."""
    wood = height > 3
    colour = vary(rng, (104, 84, 66) if wood else (84, 84, 88), 14)
    width = thick(canvas, 0.26 if wood else 0.2, at[2])
    light = canvas.light.front()
    canvas.limb(at, (0, 0), (0, height), width, colour, POLE, light)
    canvas.limb(at, (width * 0.3, 0), (width * 0.3, height), width * 0.4, colour, POLE,
                light * 0.68)  # fmt: skip
    if wood:
        for y in (height - 0.5, height - 1.1):
            canvas.limb(at, (-0.9, y), (0.9, y), thick(canvas, 0.14, at[2], 0.9),
                        colour, POLE, light * 0.9)  # fmt: skip


def paint_sign(canvas: Canvas, at: Place, kind: str, rng: Random) -> None:
    """Paint a sign on its pole: "round", "triangle", "square", "board", "lights"."""
    z, light = at[2], canvas.light.front()
    grey = vary(rng, (126, 128, 130), 12)
    width = thick(canvas, 0.11, z)
    bottom = rng.uniform(2.0, 2.5)
    size = rng.uniform(0.42, 0.56)
    middle = bottom + size
    posts = (-0.8, 0.8) if kind == "board" else (0.0,)
    for post in posts:
        canvas.limb(at, (post, 0), (post, middle), width, grey, POLE, light)

    def plate(points, colour, tone=light):
        points = [(px * size, middle + py * size) for px, py in points]
        canvas.shape(at, points, colour, SIGN, tone)

    red, white = (196, 32, 38), (236, 236, 232)
    blue = vary(rng, rng.choice(((28, 76, 162), (20, 106, 78), (228, 190, 40))), 10)
    if kind == "round":
        rim, face = ((red, white), (blue, blue))[rng.random() < 0.4]
        canvas.disc(at, (0, middle), (size, size), rim, SIGN, light)
        canvas.disc(at, (0, middle), (size * 0.74, size * 0.74), face, SIGN, light)
        mark = white if face == blue else (40, 40, 44)
        plate(((-0.45, -0.14), (0.45, -0.14), (0.45, 0.16), (-0.45, 0.16)), mark)
    elif kind == "triangle":
        plate(((-1.1, -0.8), (1.1, -0.8), (0, 1.1)), red)
        plate(((-0.66, -0.54), (0.66, -0.54), (0, 0.6)), white)
        plate(((-0.12, -0.4), (0.12, -0.4), (0.12, 0.15), (-0.12, 0.15)), (40, 40, 44))
    elif kind == "square":
        plate(((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)), white)
        plate(((-0.78, -0.78), (0.78, -0.78), (0.78, 0.78), (-0.78, 0.78)), blue)
        plate(((-0.3, -0.5), (0.1, -0.5), (0.35, 0.5), (-0.1, 0.5)), white)
    elif kind == "board":
        plate(((-2.6, -0.9), (2.6, -0.9), (2.6, 1.3), (-2.6, 1.3)), white)
        plate(((-2.45, -0.75), (2.45, -0.75), (2.45, 1.15), (-2.45, 1.15)), blue)
        for y in (-0.35, 0.45):
            end = rng.uniform(0.2, 2)
            plate(((-2.0, y), (end, y), (1.0, y + 0.35), (-2.0, y + 0.35)),
                  white)  # fmt: skip
    else:
        plate(((-0.46, -1.0), (0.46, -1.0), (0.46, 1.3), (-0.46, 1.3)), (34, 36, 38))
        lit = rng.randrange(3)
        lamps = ((66, 222, 120), (250, 190, 50), (244, 50, 40))
        for i, lamp in enumerate(lamps):
            y = middle + size * (-0.55 + 0.7 * i)
            tone = 1.1 if i == lit else 0.3
            canvas.disc(at, (0, y), (size * 0.27, size * 0.27), lamp, SIGN, tone)
        lamp_at = (at[0], at[1] + middle + size * (-0.55 + 0.7 * lit), z)
        canvas.glow(lamp_at, 0.2, lamps[lit])


def thick(canvas: Canvas, metres: float, z: float, finest: float = 1.7) -> float:
    """Return a width that stays at least `finest` pixels of the finished picture."""
    return max(metres, finest * canvas.step * z / canvas.camera.focal)
