"""Pictures with a dark left and a bright right part, as arrays and files."""

import numpy as np
from PIL import Image


def picture(height=9, width=14, split=5):
    image = np.full((height, width, 3), 10, np.uint8)
    image[:, split:] = 240
    return image


def save(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **options)
    return path
