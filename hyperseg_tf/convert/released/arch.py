"""The `arch` string of a released checkpoint: a call the authors' code evaluates.

Here it is parsed as literals and becomes a `Preset`; nothing is looked up or called.
The way back writes such a string, and proves it by parsing it again.
"""

from dataclasses import dataclass, fields

from hyperseg_tf import presets
from hyperseg_tf.convert.refused import Refused, shorten
from hyperseg_tf.convert.released.arch_call import parse_call, refused
from hyperseg_tf.network.backbones import reduced_channels
from hyperseg_tf.network.layout import decoder_layout, signal_channels
from hyperseg_tf.network.signal_split import divide_channels
from hyperseg_tf.presets import Preset

BACKBONES = tuple(f"efficientnet-b{i}" for i in range(8))
MAX_CLASSES = 4096

_MAX_SIDE = 4096
_MAX_NUMBER = 1 << 20
_MAX_RESOLUTIONS = 8

# What the files of the authors' code take; absent keywords have these values.
_COMMON = {"levels": 3, "kernel_sizes": 3, "expand_ratio": 1, "weight_groups": 1}
_COMMON |= {"num_classes": 3, "level_channels": None, "out_feat_scale": 0.25}
_COMMON |= {"unify_level": None, "coords_res": None}
# Accepted with this value alone: with another it is another network.
_FIXED = {"with_out_fc": False, "decoder_dropout": None, "groups": 1, "in_nc": 3}
_FIXED |= {"level_layers": 1, "decoder_groups": 1}
_FIXED |= {"avg_pool": True, "down_groups": 1, "flat_groups": 1}
# Accepted with every value: the network stays the same.
_FREE = ("pretrained", "weights_path", "inference_hflip", "inference_gather")

_NOT_OLDER = ("level_channels", "out_feat_scale", "decoder_groups", "coords_res")
_OLDER_ONLY = ("avg_pool", "down_groups", "flat_groups")
_UNKNOWN = {
    "hyperseg_v0_1": (*_NOT_OLDER, "unify_level"),
    "hyperseg_v1_0": (*_OLDER_ONLY, "unify_level"),
    "hyperseg_v1_0_unify": _OLDER_ONLY,
}
_IGNORED = ("name", "image_size", "num_classes", "backbone_padding")


@dataclass(frozen=True)
class Arch:
    """A parsed arch string.

    Attributes:
        text: The string.
        preset: The architecture; its name and image size say nothing.
        resolutions: (height, width) for which the authors' decoder keeps coordinates.
    """

    text: str
    preset: Preset
    resolutions: tuple[tuple[int, int], ...]


def parse(text: object) -> Arch:
    """Parse an arch string.

    Raises:
        Refused: If it is no call with literals, or describes a network that the
            authors' code or this library has not.
    """
    module, backbone, given = parse_call(text)
    if module not in _UNKNOWN:
        raise refused(f"there is no {shorten(module)} to convert from")
    values = {**_COMMON, **_checked(module, given)}
    if backbone not in BACKBONES:
        raise refused(f"the backbone is {shorten(backbone)}, not EfficientNet-B0 to B7")
    try:
        preset = _preset(module, backbone, values)
        if module == "hyperseg_v0_1":
            _check_division(preset)
        else:
            decoder_layout(preset)
    except ValueError as error:
        if isinstance(error, Refused):
            raise
        raise refused(str(error).split(": got Preset")[0].rstrip(".")) from error
    return Arch(text, preset, _resolutions(values["coords_res"]))


def write(preset: Preset) -> str:
    """The arch string of a preset.

    Raises:
        Refused: If the authors' code has no such architecture.
    """
    older, disjoint = preset.context_head == "replace", not preset.overlapping_slices
    module = "hyperseg_v0_1" if older else "hyperseg_v1_0"
    module += "_unify" if disjoint and not older else ""
    groups = list(preset.weight_groups)
    words = {"pretrained": False, "levels": preset.context_levels}
    words["kernel_sizes"] = list(preset.kernel_sizes)
    if not older:
        words["out_feat_scale"] = list(preset.reductions)
        channels = preset.level_channels
        words["level_channels"] = [*channels, channels[-1]]
    words["expand_ratio"] = preset.expand_ratio
    words |= {"inference_hflip": True, "with_out_fc": False, "decoder_dropout": None}
    words["weight_groups"] = groups[0] if older and len(set(groups)) == 1 else groups
    if disjoint and not older:
        words["unify_level"] = len(groups)
    if not older:
        height, width = preset.image_size
        words["coords_res"] = sorted({(height, height), (height, width)})
    words["num_classes"] = preset.num_classes
    inside = ",".join(f"{key}={value!r}" for key, value in words.items())
    text = f"hyperseg.models.{module}.hyperseg_efficientnet({preset.backbone!r},"
    text = f"{text}{inside})".replace(" ", "")
    differing = differences(parse(text).preset, preset)
    if differing:
        raise refused(f"there {'; '.join(differing)}")
    return text


def differences(found: Preset, wanted: Preset) -> list[str]:
    """Field by field, what `found` has and `wanted` has instead.

    Name, image size, class count and the backbone's padding do not count.
    """
    return [
        f"{field.name} is {getattr(found, field.name)}, not "
        f"{getattr(wanted, field.name)}"
        for field in fields(Preset)
        if field.name not in _IGNORED
        and getattr(found, field.name) != getattr(wanted, field.name)
    ]


def find(arch: Arch) -> Preset:
    """The named preset with this architecture, whatever its class count.

    Raises:
        Refused: If there is none; names the nearest and what differs.
    """
    known = list(presets.PRESETS.values())
    # Of several the first with the same classes, else the first.
    known.sort(key=lambda preset: preset.num_classes != arch.preset.num_classes)
    nearest = min(known, key=lambda preset: len(differences(arch.preset, preset)))
    differing = differences(arch.preset, nearest)
    if differing:
        raise refused(
            f"no preset is like it; against {nearest.name} {'; '.join(differing)}",
            "pass a Preset with these values to hyperseg_tf.convert.from_pth",
        )
    return nearest


def _checked(module, given):
    """The keywords that decide the network."""
    values = {}
    for key, value in given.items():
        known = {**_COMMON, **_FIXED, **dict.fromkeys(_FREE)}
        if key not in known or key in _UNKNOWN[module]:
            raise refused(f"{module} has no keyword {shorten(key)}")
        if key in _FIXED:
            one = (
                value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value
            )
            if one != _FIXED[key] or type(one) is not type(_FIXED[key]):
                raise refused(f"{key}={_show(value)} is another network")
        elif key not in _FREE:
            values[key] = value
    return values


def _preset(module, backbone, values):
    older, unify = module == "hyperseg_v0_1", module == "hyperseg_v1_0_unify"
    reductions = _many("out_feat_scale", values["out_feat_scale"], 5, (int, float))
    channels = values["level_channels"]
    if older:
        features = reduced_channels(backbone, reductions)
        channels = (*reversed(features), None)
    elif type(channels) is not tuple or not 5 <= len(channels) <= 6:
        raise refused(f"level_channels={_show(channels)} names no 5 or 6 levels")
    count = len(channels)
    kernels = _many("kernel_sizes", values["kernel_sizes"], count)
    if not set(kernels) <= {1, 3}:
        raise refused(f"kernel_sizes={kernels} are not 1 or 3")
    expand = _many("expand_ratio", values["expand_ratio"], count)
    heads = _one("unify_level", values["unify_level"]) if unify else count
    if not 2 <= heads <= count:
        raise refused(f"unify_level={heads} is not 2 to {count}")
    groups = values["weight_groups"]
    groups = groups if isinstance(groups, tuple) else (groups,) * heads
    _many("weight_groups", groups, len(groups))
    used = _many("weight_groups", groups[:heads], heads)
    # The unused rest still decides the unit in which the signal is divided.
    if (
        len(set(expand)) > 1
        or max(groups) > max(used)
        or (older and len(set(used)) > 1)
    ):
        raise refused("expand_ratio or weight_groups differ where they must not")
    levels = _one("levels", values["levels"])
    classes = _one("num_classes", values["num_classes"])
    if levels < 2:
        raise refused(f"levels={levels} has no context head")
    if not 1 <= classes <= MAX_CLASSES:
        raise refused(f"num_classes={classes} is not 1 to {MAX_CLASSES}")
    return Preset(
        name="arch",
        num_classes=classes,
        image_size=(512, 512),
        backbone=backbone,
        reductions=reductions,
        kernel_sizes=kernels,
        level_channels=_many("level_channels", channels[:-1], count - 1),
        weight_groups=used,
        shared_levels=count - heads + 1,
        overlapping_slices=module == "hyperseg_v1_0",
        context_levels=levels,
        context_head="replace" if older else "concatenate",
        halo="neighbour" if older else "patch",
        expand_ratio=expand[0],
    )


def _check_division(preset):
    """The older code divides the signal by another rule; here both must agree."""
    unit = max(8, *preset.weight_groups)
    group = preset.weight_groups[0]
    heads = decoder_layout(preset)[1]
    sizes = [-(-head.units // group) * group for head in heads]
    theirs = divide_channels(signal_channels(preset), unit, sizes, "proportional")
    ours = tuple(head.channels for head in heads)
    if theirs != ours:
        raise refused(f"it divides the signal into {theirs}, this library into {ours}")


def _resolutions(value):
    given = () if value is None else value
    if type(given) is not tuple or len(given) > _MAX_RESOLUTIONS:
        raise refused(f"coords_res={_show(value)} is no short list")
    for pair in given:
        if type(pair) is not tuple or len(pair) != 2:
            raise refused(f"coords_res has {_show(pair)}, no pair")
        for side in pair:
            if not 32 <= _one("coords_res", side) <= _MAX_SIDE:
                raise refused(f"coords_res has a side of {shorten(side)} pixels")
    return given


def _many(key, value, count, kinds=(int,)):
    values = value if isinstance(value, tuple) else (value,) * count
    if len(values) != count or not all(
        type(v) in kinds and 0 < v <= _MAX_NUMBER for v in values
    ):
        raise refused(f"{key}={_show(value)} is not {count} positive numbers")
    return values


def _one(key, value):
    if type(value) is not int:
        raise refused(f"{key}={_show(value)} is no integer")
    return value


def _show(value):
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
