"""Embedded data: seeded road scenes in perspective, with the 11 CamVid classes.

`scene` paints one picture, `write` a folder that the ordinary reader opens.
"""

from hyperseg_tf.pipelines.road_scenes.composition import scene
from hyperseg_tf.pipelines.road_scenes.folder import CLASSES, write

__all__ = ["CLASSES", "scene", "write"]
