"""One architecture as data: what the network is, never how it was trained.

Every difference between two models is a field, never a second class.
"""

import math
from dataclasses import asdict, dataclass, fields
from numbers import Integral, Real
from typing import get_args, get_origin

from hyperseg_tf.base.text import shortened

CONTEXT_HEADS = ("concatenate", "replace")
HALOS = ("patch", "neighbour")
CELL = 32  # pixels of the image per pixel of the backbone's head

# Far beyond every published architecture; a preset may come from a file, and whoever
# builds it must be able to.
MOST_CLASSES = 255
MOST_CHANNELS = 4096
MOST_CONTEXT_LEVELS = 6
LARGEST_KERNEL = 15
LARGEST_EXPANSION = 16
LONGEST_SIDE = 16_384
LONGEST_NAME = 100

# Of a preset in a message, whose fields are all of interest.
_LONGEST_SHOWN = 600


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One architecture.

    Attributes:
        name: Name of the preset.
        num_classes: Channels of the logits.
        image_size: (height, width) of the published evaluation, in pixels.
        backbone: Name in `hyperseg_tf.network.backbones`.
        backbone_padding: "same", or "static": the amounts that the released weights
            were trained with, fixed for the backbone's nominal image size
            (EfficientNet only).
        reductions: r1..r5, share of the channels of F1..F5 that the decoder sees;
            1 means as they are, without a layer.
        kernel_sizes: Kernel of each level, coarse to fine; 1 is a single pointwise
            convolution, more an inverted residual.
        level_channels: Output channels of all levels but the last, coarse to fine.
        weight_groups: Groups of each weight head, coarse to fine; with `shared_levels`
            one for all levels that share; none without `dynamic`.
        shared_levels: The last so many levels read their weights from one head.
        overlapping_slices: All weight heads read from channel 0 of the signal on, as
            the released v1.0 code does; else each reads its own slice.
        context_levels: Depth of the context head; 1 is the global average alone, 0 no
            context head: the backbone's head is the signal.
        context_head: "concatenate": the bottom map beside its global average, behind a
            1x1 convolution that halves the channels; "replace": the average in place
            of the bottom map, nothing halved, no ReLU after the last fusion.
        halo: The pixels around a patch have been through its own weights ("patch") or
            through the neighbour's ("neighbour").
        expand_ratio: Hidden channels of an inverted residual over its input channels.
        positions: Concatenate pixel coordinates at every level.
        patch_size: Pixels of the image along a side of a patch: 32, or a multiple of 32
            over which the signal is averaged; None makes the whole image one patch.
        dynamic: Generate the decoder's weights. Else its convolutions are regular ones
            of the same shapes with learned kernels, the hypernetwork is absent, and the
            signal joins F5 at the coarsest level.
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
    patch_size: int | None = CELL
    dynamic: bool = True

    def __post_init__(self):
        for field in fields(self):
            _check_type(field.name, getattr(self, field.name), field.type)
        levels = len(self.kernel_sizes)
        heads = levels - self.shared_levels + 1 if self.dynamic else 0
        rules = {
            f"name must be printable text of 1..{LONGEST_NAME} characters": (
                0 < len(self.name) <= LONGEST_NAME and self.name.isprintable()
            ),
            # A class map is uint8, and one of its values is void.
            f"num_classes must lie in 1..{MOST_CLASSES}": (
                1 <= self.num_classes <= MOST_CLASSES
            ),
            f"image_size must lie in {CELL}..{LONGEST_SIDE}": (
                all(CELL <= side <= LONGEST_SIDE for side in self.image_size)
            ),
            "kernel_sizes must name 5 levels, or 6 with the image": levels in (5, 6),
            "level_channels must name all levels but the last": (
                len(self.level_channels) == levels - 1
            ),
            "shared_levels must be at least 1": 1 <= self.shared_levels < levels,
            f"weight_groups must name {heads} heads": len(self.weight_groups) == heads,
            "reductions must name r1..r5": len(self.reductions) == 5,
            f"kernel_sizes must be odd and lie in 1..{LARGEST_KERNEL}": all(
                k % 2 and 1 <= k <= LARGEST_KERNEL for k in self.kernel_sizes
            ),
            f"level_channels must lie in 1..{MOST_CHANNELS}": all(
                1 <= c <= MOST_CHANNELS for c in self.level_channels
            ),
            f"weight_groups must lie in 1..{MOST_CHANNELS}": all(
                1 <= g <= MOST_CHANNELS for g in self.weight_groups
            ),
            "reductions must lie in (0, 1]": all(0 < r <= 1 for r in self.reductions),
            f"expand_ratio must lie in 1..{LARGEST_EXPANSION}": (
                1 <= self.expand_ratio <= LARGEST_EXPANSION
            ),
            f"context_levels must lie in 0..{MOST_CONTEXT_LEVELS}": (
                0 <= self.context_levels <= MOST_CONTEXT_LEVELS
            ),
            f"halo must be in {HALOS}": self.halo in HALOS,
            f"patch_size must be None or a multiple of {CELL} up to {LONGEST_SIDE}": (
                self.patch_size is None
                or (
                    CELL <= self.patch_size <= LONGEST_SIDE
                    and self.patch_size % CELL == 0
                )
            ),
            f"context_head must be in {CONTEXT_HEADS}": (
                self.context_head in CONTEXT_HEADS
            ),
            f"patch_size must be {CELL} and shared_levels 1 without dynamic": (
                self.dynamic or (self.patch_size == CELL and self.shared_levels == 1)
            ),
        }
        for rule, holds in rules.items():
            if not holds:
                raise ValueError(f"{rule}: got {shortened(self, _LONGEST_SHOWN)}.")

    @property
    def size_multiple(self) -> int:
        """Image sides are padded to a multiple of this many pixels."""
        context = CELL * 2 ** max(self.context_levels - 1, 0)
        return math.lcm(context, self.patch_size or CELL)

    def to_dict(self) -> dict:
        """The fields as JSON-able values; `from_dict` is the way back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "Preset":
        """Build a preset from `to_dict` values, lists in place of tuples allowed.

        Raises:
            ValueError: A field is unknown, missing, of another type or out of range.
        """
        if not isinstance(values, dict):
            raise ValueError(
                f"a preset is given by its fields: got {shortened(values)}."
            )
        known = [field.name for field in fields(cls)]
        unknown = [name for name in values if name not in known]
        missing = [name for name in ("name", *_REQUIRED) if name not in values]
        if unknown or missing:
            raise ValueError(
                f"the fields of a preset are {', '.join(known)}: got unknown "
                f"{shortened(unknown)}, missing {missing}."
            )
        return cls(
            **{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        )


# Fields beside the name that have no default.
_REQUIRED = ("num_classes", "image_size")


def _check_type(name: str, value, kind) -> None:
    """Raise `ValueError` unless a field's value is of the type that it is declared."""
    if not _is_of(value, kind):
        kind = getattr(kind, "__name__", kind) if get_origin(kind) is None else kind
        raise ValueError(f"{name} must be of type {kind}: got {shortened(value)}.")


def _is_of(value, kind) -> bool:
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        if not isinstance(value, tuple):
            return False
        if kinds[-1] is Ellipsis:
            return all(_is_of(entry, kinds[0]) for entry in value)
        return len(value) == len(kinds) and all(map(_is_of, value, kinds))
    if get_args(kind):  # a union
        return any(_is_of(value, one) for one in get_args(kind))
    if kind in (int, float):
        # A bool is an int to Python, and no count to anybody.
        wanted = Integral if kind is int else Real
        return isinstance(value, wanted) and not isinstance(value, bool)
    return isinstance(value, kind)
