"""The picture a scene is painted on: camera, light, and paint that carries a class.

A scene is painted once, on an RGBA image whose alpha channel holds the class, so
image and label cannot disagree. World coordinates are metres: x to the right of
the middle of the road, y up, z forward along the road. Arithmetic is kept to
`+ - * /`, roots and integer image operations, so that one seed gives one picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE = range(6)
SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST = range(6, 11)

Colour = tuple[float, float, float]
Point = tuple[float, float]
Place = tuple[float, float, float]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks along a road, which may bend and climb.

    Args:
        x: Metres to the right of the middle of the road.
        height: Metres above the road.
        focal: Focal length in pixels of the canvas.
        u, v: Pixel of the vanishing point of a straight, level road.
        curve, slope: Metres the road leaves the straight line by, at z = 1 m,
            to the right and upwards; they grow with the square of z.
        near: Metres; nothing nearer is drawn.
    """

    x: float
    height: float
    focal: float
    u: float
    v: float
    curve: float
    slope: float
    near: float

    def project(self, x: float, y: float, z: float) -> Point:
        """Return the pixel (u, v) of a place; z must be positive."""
        pixels = self.focal / z
        bend = z * z
        return (
            self.u + (x + self.curve * bend - self.x) * pixels,
            self.v - (y + self.slope * bend - self.height) * pixels,
        )


@dataclass(frozen=True)
class Light:
    """Where the light comes from and how far one sees.

    Args:
        sun: Strength of the direct light, 0 (overcast) to 1.
        sun_side: -1 or 1: the sun stands over the left or right of the street.
        sun_behind: Whether the sun is behind the camera.
        shadow: Metres (x, z) that a shadow moves per metre of height.
        haze_distance: Metres at which half of the colour is haze.
        haze: Colour of the haze.
        night: 0 by day to 1; lamps and windows are lit above 0.
    """

    sun: float
    sun_side: int
    sun_behind: bool
    shadow: tuple[float, float]
    haze_distance: float
    haze: Colour
    night: float

    def wall(self, side: int) -> float:
        """Return the light on a wall on that side that faces the street."""
        return 1 + self.sun * (-0.34 if side == self.sun_side else 0.12)

    def front(self) -> float:
        """Return the light on a surface that faces the camera."""
        return 1 + self.sun * (0.08 if self.sun_behind else -0.28)


class Canvas:
    """An RGBA picture, painted from far to near; alpha is the class.

    Args:
        background: uint8 (H, W, 3), the sky.
        camera, light: How places become pixels and colours become paint.
        step: Canvas pixels per pixel of the finished picture.
    """

    def __init__(self, background: np.ndarray, camera: Camera, light: Light, step: int):
        self.step = step
        self.camera = camera
        self.light = light
        height, width = background.shape[:2]
        self.size = (width, height)
        self.image = Image.fromarray(background).convert("RGBA")
        self.image.putalpha(SKY)
        self._draw = ImageDraw.Draw(self.image)
        self._shade = Image.new("L", self.size)
        self._shade_draw = ImageDraw.Draw(self._shade)
        self._glow: list[tuple[float, float, float, Colour]] = []

    def ink(
        self, colour: Colour, z: float, label: int, light: float = 1.0
    ) -> tuple[int, int, int, int]:
        """Return the paint of a surface at z: lit, then mixed with haze."""
        fog = min(z / (z + self.light.haze_distance), 0.78)
        clear = 1 - fog
        red, green, blue = colour
        haze_red, haze_green, haze_blue = self.light.haze
        return (
            int(min(red * light, 255) * clear + haze_red * fog),
            int(min(green * light, 255) * clear + haze_green * fog),
            int(min(blue * light, 255) * clear + haze_blue * fog),
            label,
        )

    def polygon(self, pixels: Sequence[Point], ink: tuple[int, ...]) -> None:
        """Fill a polygon given in pixels; one that lies outside costs nothing."""
        width, height = self.size
        us = [u for u, _ in pixels]
        vs = [v for _, v in pixels]
        if max(us) < 0 or min(us) > width or max(vs) < 0 or min(vs) > height:
            return
        self._draw.polygon(pixels, fill=ink)

    def face(
        self,
        corners: Sequence[Place],
        colour: Colour,
        label: int,
        light: float = 1.0,
    ) -> None:
        """Fill a polygon given by places; its haze is that of its middle."""
        project = self.camera.project
        z = sum(corner[2] for corner in corners) / len(corners)
        self.polygon([project(*c) for c in corners], self.ink(colour, z, label, light))

    def shape(
        self,
        at: Place,
        points: Iterable[Point],
        colour: Colour,
        label: int,
        light: float = 1.0,
    ) -> None:
        """Fill a flat shape that faces the camera; points (x, y) in metres."""
        u, v = self.camera.project(*at)
        scale = self.camera.focal / at[2]
        pixels = [(u + x * scale, v - y * scale) for x, y in points]
        self.polygon(pixels, self.ink(colour, at[2], label, light))

    def disc(
        self,
        at: Place,
        centre: Point,
        radii: Point,
        colour: Colour,
        label: int,
        light: float = 1.0,
    ) -> None:
        """Fill an ellipse that faces the camera; centre and radii in metres."""
        u, v = self.camera.project(*at)
        scale = self.camera.focal / at[2]
        u, v = u + centre[0] * scale, v - centre[1] * scale
        a, b = max(radii[0] * scale, 0.5), max(radii[1] * scale, 0.5)
        width, height = self.size
        if u + a < 0 or u - a > width or v + b < 0 or v - b > height:
            return
        ink = self.ink(colour, at[2], label, light)
        self._draw.ellipse((u - a, v - b, u + a, v + b), fill=ink)

    def limb(
        self,
        at: Place,
        start: Point,
        end: Point,
        width: float,
        colour: Colour,
        label: int,
        light: float = 1.0,
    ) -> None:
        """Fill a bar from start to end, `width` metres wide, facing the camera."""
        along = (end[0] - start[0], end[1] - start[1])
        length = math.sqrt(along[0] * along[0] + along[1] * along[1]) + 1e-6
        x, y = -along[1] / length * width / 2, along[0] / length * width / 2
        points = (
            (start[0] + x, start[1] + y),
            (start[0] - x, start[1] - y),
            (end[0] - x, end[1] - y),
            (end[0] + x, end[1] + y),
        )
        self.shape(at, points, colour, label, light)

    def pixels(self, metres: float, z: float) -> float:
        """Return how many canvas pixels a length has at z."""
        return metres * self.camera.focal / z

    def shadow(self, ground: Sequence[Point], strength: float) -> None:
        """Note a shadow on the ground: polygon of (x, z), strength 0 to 1."""
        near = self.camera.near
        pixels = [self.camera.project(x, 0.0, max(z, near)) for x, z in ground]
        self._shade_draw.polygon(pixels, fill=int(255 * strength))

    def cast_shadows(self, softness: float) -> None:
        """Darken what is painted so far, the ground, by the shadows noted."""
        shade = self._shade.filter(ImageFilter.BoxBlur(softness))
        ground = self.image.convert("RGB")
        ground.paste((14, 17, 30), mask=shade)
        ground.putalpha(self.image.getchannel("A"))
        self.image = ground
        self._draw = ImageDraw.Draw(self.image)

    def glow(self, at: Place, radius: float, colour: Colour) -> None:
        """Note a lamp that shines; it counts only at night."""
        if self.light.night:
            u, v = self.camera.project(*at)
            self._glow.append((u, v, max(self.pixels(radius, at[2]), 2.0), colour))

    def glow_image(self, size: tuple[int, int]) -> np.ndarray | None:
        """Return the light of the lamps, uint8 (H, W, 3), or None without lamps."""
        if not self._glow:
            return None
        image = Image.new("RGB", size)
        draw = ImageDraw.Draw(image)
        scale = size[0] / self.size[0]
        for u, v, radius, colour in self._glow:
            u, v, radius = u * scale, v * scale, radius * scale
            box = (u - radius, v - radius, u + radius, v + radius)
            draw.ellipse(box, fill=tuple(int(c) for c in colour))
        return np.asarray(image.filter(ImageFilter.BoxBlur(max(2, size[0] // 60))))

    def picture(self) -> np.ndarray:
        """Return the picture at its finished size, uint8 (H, W, 3), antialiased."""
        return np.asarray(self.image.convert("RGB").reduce(self.step))

    def label(self) -> np.ndarray:
        """Return the class in the middle of every finished pixel, uint8 (H, W)."""
        middle = slice(self.step // 2, None, self.step)
        return np.array(self.image.getchannel("A"))[middle, middle]
