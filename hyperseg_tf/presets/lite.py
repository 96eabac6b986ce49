"""HyperSeg on EfficientNet-Lite: for CPUs, phones and integers.

The decoders are those of the published S and M; the backbones have neither gates nor
swish, and ImageNet weights that can be installed.
"""

from dataclasses import replace

from hyperseg_tf.presets.published import M_CITYSCAPES, S_CAMVID

# Classes are those of the data; these are the defaults of CamVid without void.
LITE = tuple(
    replace(
        model,
        name=f"hyperseg_{size}_lite{number}",
        num_classes=11,
        image_size=(360, 480),
        backbone=f"efficientnet-lite{number}",
        backbone_padding="static",
    )
    for size, model, number in (
        ("s", S_CAMVID, 0),
        ("s", S_CAMVID, 1),
        ("m", M_CITYSCAPES, 1),
        ("m", M_CITYSCAPES, 2),
    )
)
