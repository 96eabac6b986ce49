"""The classes of the benchmarks, as their official files write them."""

from dataclasses import replace

from hyperseg_tf.pipelines.class_file import spread_colours
from hyperseg_tf.pipelines.classes import ClassTable
from hyperseg_tf.protocols import CAMVID_CLASSES
from hyperseg_tf.protocols.classes import (
    ADE20K_CLASSES,
    CITYSCAPES_CLASSES,
    VOC_CLASSES,
)

# The 34 ids of `*_labelIds.png` to 19 classes; the other ids, and the licence plate,
# which is -1 and 255 in a file, are void.
_CITYSCAPES_IDS = (
    *(7, 8, 11, 12, 13, 17),
    *range(19, 29),
    *(31, 32, 33),
)

CITYSCAPES = ClassTable(
    names=CITYSCAPES_CLASSES,
    colours=(
        (128, 64, 128),
        (244, 35, 232),
        (70, 70, 70),
        (102, 102, 156),
        (190, 153, 153),
        (153, 153, 153),
        (250, 170, 30),
        (220, 220, 0),
        (107, 142, 35),
        (152, 251, 152),
        (70, 130, 180),
        (220, 20, 60),
        (255, 0, 0),
        (0, 0, 142),
        (0, 0, 70),
        (0, 60, 100),
        (0, 80, 100),
        (0, 0, 230),
        (119, 11, 32),
    ),
    void_values=(*sorted({*range(34)} - {*_CITYSCAPES_IDS}), 255),
    void_colours=((0, 0, 0),),
    values=_CITYSCAPES_IDS,
)

# `*_labelTrainIds.png`, which the benchmark's own script makes.
CITYSCAPES_TRAIN_IDS = replace(CITYSCAPES, void_values=(255,), values=tuple(range(19)))

# The border between objects is 255, and cream in files of colours.
VOC = ClassTable(
    names=VOC_CLASSES,
    colours=tuple(spread_colours(21)),
    void_values=(255,),
    void_colours=((224, 224, 192),),
)

# Values are 1 to 150; what is not labelled is 0.
ADE20K = ClassTable(
    names=ADE20K_CLASSES,
    colours=tuple(spread_colours(151)[1:]),
    void_values=(0, 255),
    void_colours=((0, 0, 0),),
    values=tuple(range(1, 151)),
)

# CamVid as the SegNet tutorial has it, in its colours.
CAMVID = ClassTable(
    names=CAMVID_CLASSES,
    colours=(
        (128, 128, 128),
        (128, 0, 0),
        (192, 192, 128),
        (128, 64, 128),
        (60, 40, 222),
        (128, 128, 0),
        (192, 128, 128),
        (64, 64, 128),
        (64, 0, 128),
        (64, 64, 0),
        (0, 128, 192),
    ),
    void_values=(11,),
    void_colours=((0, 0, 0),),
)

# CamVid's own files of 32 colours, 11 of which the published run learns. Black is what
# their labellers called Void, and the run's twelfth class; other colours are ignored.
CAMVID_COLOURS = replace(
    CAMVID,
    colours=tuple(
        (0, 0, 192) if name == "pavement" else colour
        for name, colour in zip(CAMVID.names, CAMVID.colours, strict=True)
    ),
    void_values=(11, 255),
    rest_is_void=True,
)
