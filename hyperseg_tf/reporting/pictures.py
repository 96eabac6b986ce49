"""Pictures out of a run's folder, within the page."""

import base64
import io
from pathlib import Path

from PIL import Image

from hyperseg_tf.base.limit import Limit
from hyperseg_tf.inference.pictures import read_picture
from hyperseg_tf.reporting.markup import Markup, element

_LIMIT = Limit(60_000_000, multiple=1)
# As wide as they are looked at; a report with a dozen stays small enough to be sent.
_WIDEST, _HIGHEST, _QUALITY = 1800, 2400, 85


def picture(path: Path, caption: str) -> Markup:
    """A picture of a file with a line below it.

    Raises:
        UserError: It is no picture, damaged, or larger than 60 megapixels.
    """
    image = Image.fromarray(read_picture(path, _LIMIT))
    image.thumbnail((_WIDEST, _HIGHEST))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY, subsampling=0)
    data = base64.b64encode(file.getvalue()).decode("ascii")
    width, height = image.size
    shown = element(
        "img",
        src=f"data:image/jpeg;base64,{data}",
        alt=caption,
        width=width,
        height=height,
        loading="lazy",
    )
    box = element("div", shown, class_="wide", tabindex="0")
    return element("figure", box, element("figcaption", caption), class_="picture")
