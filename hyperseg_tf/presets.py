"""The published architectures as data.

A preset says what the network is, never how it was trained. Where the released models
differ from the paper, the released ones are the presets, because their checkpoints
must load; every difference is a field, never a second class.
"""

from dataclasses import asdict, dataclass, replace

CONTEXT_HEADS = ("concatenate", "replace")


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One architecture.

    Attributes:
        name: Name of the preset.
        num_classes: Channels of the logits.
        image_size: (height, width) of the published evaluation, in pixels.
        backbone: Name in `hyperseg_tf.backbones`.
        backbone_padding: "same", or "static": the amounts that the released weights
            were trained with, fixed for the backbone's nominal image size.
        reductions: r1..r5, share of the channels of F1..F5 that the decoder sees;
            1 means as they are, without a layer.
        kernel_sizes: Kernel of each level, coarse to fine; 1 is a single pointwise
            convolution, more an inverted residual.
        level_channels: Output channels of all levels but the last, coarse to fine.
        weight_groups: Groups of each weight head, coarse to fine; with `shared_levels`
            one for all levels that share.
        shared_levels: The last so many levels read their weights from one head.
        overlapping_slices: All weight heads read from channel 0 of the signal on, as
            the released v1.0 code does; else each reads its own slice.
        context_levels: Depth of the context head; 1 is the global average alone.
        context_head: "concatenate": the bottom map beside its global average, behind a
            1x1 convolution that halves the channels; "replace": the average in place
            of the bottom map, nothing halved, no ReLU after the last fusion.
        halo: The pixels around a patch have been through its own weights ("patch") or
            through the neighbour's ("neighbour").
        expand_ratio: Hidden channels of an inverted residual over its input channels.
        positions: Concatenate pixel coordinates at every level.
    """

    name: str
    num_classes: int
    image_size: tuple[int, int]
    backbone: str = "efficientnet-b1"
    backbone_padding: str = "same"
    reductions: tuple[float, ...] = (0.25, 0.25, 0.25, 0.25, 0.25)
    kernel_sizes: tuple[int, ...] = (1, 1, 1, 3, 3)
    level_channels: tuple[int, ...] = (64, 32, 16, 16)
    weight_groups: tuple[int, ...] = (64, 32, 32, 16, 8)
    shared_levels: int = 1
    overlapping_slices: bool = True
    context_levels: int = 2
    context_head: str = "concatenate"
    halo: str = "patch"
    expand_ratio: int = 2
    positions: bool = True

    def __post_init__(self):
        levels = len(self.kernel_sizes)
        heads = levels - self.shared_levels + 1
        rules = {
            "num_classes must be at least 1": self.num_classes >= 1,
            "kernel_sizes must name 5 levels, or 6 with the image": levels in (5, 6),
            "level_channels must name all levels but the last": (
                len(self.level_channels) == levels - 1
            ),
            "shared_levels must be at least 1": 1 <= self.shared_levels < levels,
            f"weight_groups must name {heads} heads": len(self.weight_groups) == heads,
            "reductions must name r1..r5": len(self.reductions) == 5,
            "kernel_sizes must be odd": all(k % 2 for k in self.kernel_sizes),
            "context_levels must be at least 1": self.context_levels >= 1,
            f"context_head must be in {CONTEXT_HEADS}": (
                self.context_head in CONTEXT_HEADS
            ),
        }
        for rule, holds in rules.items():
            if not holds:
                raise ValueError(f"{rule}: got {self}.")

    @property
    def size_multiple(self) -> int:
        """Image sides are padded to a multiple of this many pixels."""
        return 32 * 2 ** (self.context_levels - 1)

    def to_dict(self) -> dict:
        """The fields as JSON-able values; `from_dict` is the way back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict) -> "Preset":
        """Build a preset from `to_dict` values, lists in place of tuples allowed."""
        return cls(
            **{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        )


_CAMVID_S = Preset(name="hyperseg_s_camvid", num_classes=12, image_size=(576, 768))

_PRESETS = (
    Preset(
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
    ),
    replace(
        _CAMVID_S,
        name="hyperseg_m_cityscapes",
        num_classes=19,
        image_size=(512, 1024),
        reductions=(1.0, 0.25, 0.25, 0.25, 0.25),
        weight_groups=(32, 16, 8, 16, 4),
    ),
    replace(
        _CAMVID_S,
        name="hyperseg_s_cityscapes",
        num_classes=19,
        image_size=(768, 1536),
        reductions=(1.0, 0.166, 0.2, 0.25, 0.4),
        level_channels=(32, 16, 8, 8),
        weight_groups=(32, 16, 8, 16),
        shared_levels=2,
        overlapping_slices=False,
    ),
    _CAMVID_S,
    replace(
        _CAMVID_S,
        name="hyperseg_l_camvid",
        image_size=(768, 1024),
        kernel_sizes=(1, 1, 1, 3, 3, 3),
        level_channels=(64, 32, 16, 16, 16),
        weight_groups=(64, 32, 32, 16, 8, 8),
    ),
    # Not published: small enough for tests and the demo, with every part of the rest.
    replace(
        _CAMVID_S,
        name="hyperseg_tiny",
        num_classes=11,
        image_size=(192, 256),
        backbone="efficientnet-tiny",
        reductions=(1.0, 0.5, 0.5, 0.5, 0.5),
        level_channels=(24, 16, 16, 16),
        weight_groups=(16, 16, 8, 8, 8),
        overlapping_slices=False,
    ),
)

PRESETS = {preset.name: preset for preset in _PRESETS}


def get(name: str) -> Preset:
    """The preset of that name; ValueError lists the known ones."""
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}; known are {', '.join(PRESETS)}.")
    return PRESETS[name]
