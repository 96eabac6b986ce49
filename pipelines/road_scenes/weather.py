"""Weather: the light of a scene, its sky, and what the lens makes of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image

from hyperseg_tf.pipelines.road_scenes.canvas import ROAD, Colour, Light

# How much fine and coarse grain a surface shows, in grey levels, by class 0..10.
FINE_GRAIN = (2, 9, 8, 10, 11, 26, 6, 14, 6, 12, 12)
COARSE_GRAIN = (3, 13, 10, 10, 12, 24, 8, 14, 9, 10, 10)
VOID_GRAIN = 8


@dataclass(frozen=True)
class Weather:
    """One kind of day.

    Args:
        kind: "sunny", "overcast", "dusk", "fog" or "rain".
        light: What the canvas needs to know.
        zenith, horizon, cloud: Colours of the sky.
        cover: Share of the sky under cloud, 0 to 1.
        gain: Exposure of the three channels.
        contrast: Added S-shaped contrast, 0 for none.
        wet: Strength of reflections on the road, 0 to 1.
        noise: Sensor noise, in grey levels.
    """

    kind: str
    light: Light
    zenith: Colour
    horizon: Colour
    cloud: Colour
    cover: float
    gain: Colour
    contrast: float
    wet: float
    noise: float


def draw(rng: Random) -> Weather:
    """Draw the weather of a scene."""
    kind = _pick(rng, sunny=0.42, overcast=0.26, dusk=0.12, fog=0.08, rain=0.12)
    zenith, horizon, cloud, cover, gain, sun, haze, night, wet = {
        "sunny": ((70, 122, 200), (178, 205, 232), (246, 246, 248), 0.35,
                  1.08, 1.0, 500, 0.0, 0.0),
        "overcast": ((168, 176, 188), (208, 211, 215), (226, 228, 231), 0.75,
                     0.95, 0.12, 300, 0.0, 0.0),
        "dusk": ((74, 84, 132), (236, 168, 128), (168, 128, 140), 0.4,
                 0.84, 0.25, 330, 1.0, 0.0),
        "fog": ((196, 200, 205), (206, 209, 213), (212, 214, 217), 0.5,
                0.96, 0.0, 75, 0.0, 0.05),
        "rain": ((118, 126, 138), (164, 170, 178), (146, 152, 160), 0.85,
                 0.78, 0.0, 170, 0.4, 0.42),
    }[kind]  # fmt: skip
    gain *= rng.uniform(0.86, 1.12)
    warm = rng.uniform(-0.05, 0.06)
    horizon = _vary(rng, horizon, 10)
    light = Light(
        sun=sun * rng.uniform(0.75, 1.0),
        sun_side=rng.choice((-1, 1)),
        sun_behind=rng.random() < 0.5,
        shadow=(rng.uniform(0.3, 1.1), rng.uniform(-0.5, 0.6)),
        haze_distance=haze * rng.uniform(0.8, 1.4),
        haze=horizon,
        night=night,
    )
    return Weather(
        kind=kind,
        light=light,
        zenith=_vary(rng, zenith, 16),
        horizon=horizon,
        cloud=cloud,
        cover=cover * rng.uniform(0.5, 1.3),
        gain=(gain * (1 + warm), gain, gain * (1 - warm)),
        contrast=rng.uniform(0.0, 0.5),
        wet=wet * rng.uniform(0.6, 1.2),
        noise=rng.uniform(1.5, 5.0),
    )


def sky(weather: Weather, noise: np.random.RandomState, width: int, height: int,
        horizon: float) -> np.ndarray:  # fmt: skip
    """Paint the sky: uint8 (height, width, 3), lightest at row `horizon`."""
    rows = np.arange(height, dtype=np.float32) / np.float32(max(horizon, 1.0))
    down = np.clip(rows, 0, 1)[:, None, None]
    zenith = np.array(weather.zenith, np.float32)
    clear = zenith + (np.array(weather.horizon, np.float32) - zenith) * down
    puffs = sum(
        share * grain(noise, height, width, 3 * cells, cells)
        for cells, share in ((4, 0.5), (9, 0.3), (21, 0.2))
    )
    cover = np.clip((puffs - 0.62 + 0.3 * weather.cover) * 5, 0, 1)[..., None]
    cover *= np.float32(min(weather.cover + 0.3, 1)) * (1 - np.float32(0.6) * down)
    shade = 1 - np.float32(0.22) * puffs[..., None]
    clouds = np.array(weather.cloud, np.float32) * shade * np.float32(1.12)
    return np.clip(clear + (clouds - clear) * cover, 0, 255).astype(np.uint8)


def finish(
    image: np.ndarray,
    label: np.ndarray,
    glow: np.ndarray | None,
    weather: Weather,
    noise: np.random.RandomState,
    horizon: float,
) -> np.ndarray:
    """Add grain, reflections, lamps, rain and the lens to the painted picture.

    Args:
        image: uint8 (H, W, 3) as painted. label: uint8 (H, W), 255 where void.
        glow: uint8 (H, W, 3), light to add, or None.
        horizon: Row of the horizon.

    Returns:
        uint8 (H, W, 3).
    """
    height, width = label.shape
    picture = image.astype(np.float32)
    level = picture[..., :1] * np.float32(0.006) + np.float32(0.25)
    classes = np.minimum(label, len(FINE_GRAIN))
    fine = np.array((*FINE_GRAIN, VOID_GRAIN), np.float32)[classes]
    coarse = np.array((*COARSE_GRAIN, VOID_GRAIN), np.float32)[classes]
    single = noise.randint(0, 256, (height, width)).astype(np.float32) / 255
    blots = grain(noise, height, width, max(height // 4, 2), max(width // 4, 2))
    stains = grain(noise, height, width, max(height // 20, 2), max(width // 14, 2))
    relief = fine * (single + blots - 1) + coarse * (blots + stains - 1)
    picture += relief[..., None] * level
    if weather.wet:
        # A mirror in the road shows what stands far away, upside down.
        rows = np.clip(2 * int(horizon) - np.arange(height), 0, height - 1)
        share = np.float32(weather.wet) * (label == ROAD) * (0.35 + 0.65 * stains)
        picture += (picture[rows] - picture) * share[..., None].astype(np.float32)
    picture *= np.array(weather.gain, np.float32)
    if glow is not None:
        picture += glow.astype(np.float32) * np.float32(0.9)
    if weather.kind == "rain":
        streaks = grain(noise, height, width, max(height // 9, 2), width)
        picture += np.clip(streaks - 0.72, 0, 1)[..., None] * 80
    picture = np.clip(picture, 0, 255) / 255
    bend = picture * (1 - picture) * (2 * picture - 1)
    picture += np.float32(weather.contrast) * bend
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    picture *= (1 - np.float32(0.09) * (x * x + y * y))[..., None]
    sensor = noise.randint(-128, 128, image.shape).astype(np.float32) / 64
    picture = picture * 255 + sensor * np.float32(weather.noise)
    return np.clip(picture, 0, 255).astype(np.uint8)


def grain(
    noise: np.random.RandomState, height: int, width: int, rows: int, columns: int
) -> np.ndarray:
    """Return smooth noise, float32 (height, width) in 0..1, of rows x columns cells.

    Resized in 8 bits: Pillow does that in integers, so it is the same everywhere.
    """
    cells = noise.randint(0, 256, (rows, columns)).astype(np.uint8)
    image = Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image).astype(np.float32) / 255


def _pick(rng: Random, **shares: float) -> str:
    return rng.choices(list(shares), list(shares.values()))[0]


def _vary(rng: Random, colour: Colour, amount: float) -> Colour:
    shift = rng.uniform(-amount, amount)
    return tuple(
        min(max(c + shift + rng.uniform(-amount, amount) / 2, 0), 255) for c in colour
    )
