"""The five published models, the paper's own form of two of them, and a small one.

Where the released models differ from the paper, the released ones carry the plain name,
because their checkpoints must load.
"""

from dataclasses import replace

from hyperseg_tf.presets.preset import Preset

L_VOC = Preset(
    name="hyperseg_l_voc",
    num_classes=21,
    image_size=(512, 512),
    backbone="efficientnet-b3",
    kernel_sizes=(1, 1, 3, 3, 3, 3),
    level_channels=(96, 34, 12, 8, 6),
    weight_groups=(16, 16, 16, 16, 16, 16),
    overlapping_slices=False,
    context_levels=3,
    context_head="replace",
    halo="neighbour",
)

S_CAMVID = Preset(name="hyperseg_s_camvid", num_classes=12, image_size=(576, 768))

L_CAMVID = replace(
    S_CAMVID,
    name="hyperseg_l_camvid",
    image_size=(768, 1024),
    kernel_sizes=(1, 1, 1, 3, 3, 3),
    level_channels=(64, 32, 16, 16, 16),
    weight_groups=(64, 32, 32, 16, 8, 8),
)

M_CITYSCAPES = replace(
    S_CAMVID,
    name="hyperseg_m_cityscapes",
    num_classes=19,
    image_size=(512, 1024),
    reductions=(1.0, 0.25, 0.25, 0.25, 0.25),
    weight_groups=(32, 16, 8, 16, 4),
)

S_CITYSCAPES = replace(
    M_CITYSCAPES,
    name="hyperseg_s_cityscapes",
    image_size=(768, 1536),
    reductions=(1.0, 0.166, 0.2, 0.25, 0.4),
    level_channels=(32, 16, 8, 8),
    weight_groups=(32, 16, 8, 16),
    shared_levels=2,
    overlapping_slices=False,
)

PUBLISHED = (L_VOC, M_CITYSCAPES, S_CITYSCAPES, S_CAMVID, L_CAMVID)

# Tables 3 and 5 were made with F1 reduced like the others (M), and with a weight head
# for each of the two finest levels (S).
M_CITYSCAPES_PAPER = replace(
    M_CITYSCAPES,
    name="hyperseg_m_cityscapes_paper",
    reductions=(0.25, 0.25, 0.25, 0.25, 0.25),
)
S_CITYSCAPES_PAPER = replace(
    S_CITYSCAPES,
    name="hyperseg_s_cityscapes_paper",
    weight_groups=(32, 16, 8, 16, 4),
    shared_levels=1,
)

PAPER = (M_CITYSCAPES_PAPER, S_CITYSCAPES_PAPER)

# Not published: small enough for tests and the demo, with every part of the rest.
TINY = replace(
    S_CAMVID,
    name="hyperseg_tiny",
    num_classes=11,
    image_size=(192, 256),
    backbone="efficientnet-tiny",
    reductions=(1.0, 0.5, 0.5, 0.5, 0.5),
    level_channels=(24, 16, 16, 16),
    weight_groups=(16, 16, 8, 8, 8),
    overlapping_slices=False,
)
