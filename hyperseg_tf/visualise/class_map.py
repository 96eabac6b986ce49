"""Pictures of class maps: colours, overlays, legends.

Needs PIL and NumPy only, so that a picture never has to wait for TensorFlow.
"""

import colorsys
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hyperseg_tf.base.constants import VOID

Colour = Sequence[int]
Colours = Sequence[Colour | None]

_VOID_COLOUR = (0, 0, 0)


def palette(num_classes: int, colours: Colours | None = None) -> np.ndarray:
    """Return one colour per class, the missing ones filled in.

    Args:
        num_classes: 1 to 255.
        colours: `num_classes` RGB triples 0..255; None where a class has no
            colour, or None altogether. Made-up colours depend only on the
            class index, and none of them is black, the colour of void.

    Returns:
        uint8 (num_classes, 3).
    """
    if not 1 <= num_classes <= 255:
        raise ValueError(f"a palette has 1 to 255 classes: got {num_classes}.")
    given = [None] * num_classes if colours is None else list(colours)
    if len(given) != num_classes:
        raise ValueError(
            f"every class needs a colour or None: got {len(given)} colours for "
            f"{num_classes} classes."
        )
    table = np.empty((num_classes, 3), np.uint8)
    taken = {_VOID_COLOUR}
    for index, colour in enumerate(given):
        if colour is None:
            continue
        values = np.asarray(colour)
        if values.shape != (3,) or (values < 0).any() or (values > 255).any():
            raise ValueError(
                f"a colour is three numbers 0..255: class {index} has {colour!r}."
            )
        table[index] = values
        taken.add(tuple(int(value) for value in values))
    for index, colour in enumerate(given):
        if colour is None:
            attempt = index
            while (made := _made_up_colour(attempt)) in taken:
                attempt += num_classes
            taken.add(made)
            table[index] = made
    return table


def colourise(label: np.ndarray, colours: Colours) -> np.ndarray:
    """Paint a class map.

    Args:
        label: Integer (H, W), class index per pixel; 255 is void, drawn black.
        colours: One RGB triple (or None) per class.

    Returns:
        uint8 (H, W, 3).

    Raises:
        ValueError: `label` is not a class map or holds a class without colour.
    """
    label = np.asarray(label)
    if label.ndim != 2 or not np.issubdtype(label.dtype, np.integer):
        raise ValueError(
            "a class map is an integer array (H, W): got "
            f"{label.dtype} {label.shape}; take the argmax of logits first."
        )
    table = np.zeros((256, 3), np.uint8)
    num_classes = len(colours)
    table[:num_classes] = palette(num_classes, colours)
    table[VOID] = _VOID_COLOUR
    strange = (label != VOID) & ((label < 0) | (label >= num_classes))
    if strange.any():
        raise ValueError(
            f"class indices are 0..{num_classes - 1} or {VOID}: got "
            f"{int(label[strange][0])}; give a colour for every class."
        )
    return table[label]


def overlay(
    image: np.ndarray, label: np.ndarray, colours: Colours, alpha: float = 0.5
) -> np.ndarray:
    """Blend a class map over its image; void pixels show the bare image.

    Args:
        image: (H, W, 3) RGB 0..255, uint8 or float.
        label: Integer (H, W).
        colours: One RGB triple (or None) per class.
        alpha: Weight of the colour, 0..1.

    Returns:
        uint8 (H, W, 3).
    """
    image = np.asarray(image)
    label = np.asarray(label)
    if image.ndim != 3 or image.shape[-1] != 3:
        raise ValueError(f"an image is (H, W, 3) RGB: got {image.shape}.")
    if image.shape[:2] != label.shape:
        raise ValueError(
            f"image and class map must have one size: got {image.shape[:2]} and "
            f"{label.shape}; resize the class map by nearest neighbour."
        )
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in 0..1: got {alpha}.")
    painted = colourise(label, colours).astype(np.float32)
    pixels = np.clip(image, 0, 255).astype(np.float32)
    mixed = pixels + np.float32(alpha) * (painted - pixels)
    mixed[label == VOID] = pixels[label == VOID]
    return np.rint(mixed).astype(np.uint8)


def with_legend(
    image: np.ndarray, names: Sequence[str], colours: Colours, size: int | None = None
) -> np.ndarray:
    """Return the image with a legend below it.

    The picture keeps its pixels, in the top left corner. The text grows with the
    picture but is never below 12 pixels; a picture narrower than the longest
    entry gets a white margin on the right.

    Args:
        image: uint8 (H, W, 3).
        names: The classes to list; at least one.
        colours: As many RGB triples (or None).
        size: Of the text, in pixels; None lets it grow with the picture.

    Returns:
        uint8 (H + legend, max(W, longest entry), 3).
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[-1] != 3 or image.dtype != np.uint8:
        raise ValueError(
            f"an image is uint8 (H, W, 3): got {image.dtype} {image.shape}."
        )
    if not names:
        raise ValueError("a legend needs at least one class: got no names.")
    table = palette(len(names), colours)
    height, width = image.shape[:2]
    size = size or int(np.clip(width // 40, 12, 64))
    font = ImageFont.load_default(size)
    line, gap = round(size * 1.5), size // 2
    names = [str(name) for name in names]
    entry = size + 2 * gap + max(int(np.ceil(font.getlength(name))) for name in names)
    canvas_width = max(width, entry + gap)
    columns = min(len(names), max(1, (canvas_width - gap) // entry))
    rows = -(-len(names) // columns)
    canvas = Image.new("RGB", (canvas_width, height + rows * line + gap), "white")
    canvas.paste(Image.fromarray(image), (0, 0))
    draw = ImageDraw.Draw(canvas)
    for index, name in enumerate(names):
        row, column = divmod(index, columns)
        left = gap + column * entry
        top = height + gap // 2 + row * line + (line - size) // 2
        draw.rectangle(
            (left, top, left + size - 1, top + size - 1),
            fill=tuple(int(value) for value in table[index]),
            outline=(96, 96, 96),
        )
        middle = (left + size + gap // 2, top + size // 2)
        draw.text(middle, name, fill=(0, 0, 0), font=font, anchor="lm")
    return np.asarray(canvas)


def classes_in(label: np.ndarray, num_classes: int) -> list[int]:
    """Return the classes that occur in a class map, in order, without void."""
    present = np.unique(label)
    return [int(index) for index in present if index < num_classes]


def _made_up_colour(index: int) -> tuple[int, int, int]:
    """Return a colour far from its neighbours: golden-angle hues, three tones."""
    hue = (0.61803398875 * index) % 1.0
    saturation = (0.85, 0.55, 0.95)[index // 7 % 3]
    value = (0.95, 0.75, 0.55)[index // 5 % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)
