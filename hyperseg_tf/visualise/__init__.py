"""Pictures for people: class maps, overlays, legends, confusion matrices.

Needs PIL and NumPy only, matplotlib where figures are drawn.
"""

from hyperseg_tf.visualise.class_map import (
    Colour,
    Colours,
    classes_in,
    colourise,
    overlay,
    palette,
    with_legend,
)
from hyperseg_tf.visualise.comparison import Compared, compared, places
from hyperseg_tf.visualise.confusion import confusion_png
from hyperseg_tf.visualise.distinct import (
    distinct_colours,
    drawn_palette,
    said_of_colours,
)
from hyperseg_tf.visualise.explanation import explained
from hyperseg_tf.visualise.views import VIEWS, drawn, enlargement, shades

__all__ = [
    "VIEWS",
    "Colour",
    "Colours",
    "Compared",
    "classes_in",
    "colourise",
    "compared",
    "confusion_png",
    "distinct_colours",
    "drawn",
    "drawn_palette",
    "enlargement",
    "explained",
    "overlay",
    "palette",
    "places",
    "said_of_colours",
    "shades",
    "with_legend",
]
