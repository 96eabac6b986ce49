"""The architectures by name: published models, Lite ones, the paper's variants."""

from hyperseg_tf.presets.ablations import ABLATIONS
from hyperseg_tf.presets.lite import LITE
from hyperseg_tf.presets.preset import CONTEXT_HEADS, HALOS, Preset
from hyperseg_tf.presets.published import PAPER, PUBLISHED, TINY

__all__ = ["CONTEXT_HEADS", "HALOS", "PRESETS", "Preset", "get"]

PRESETS = {
    preset.name: preset for preset in (*PUBLISHED, TINY, *LITE, *PAPER, *ABLATIONS)
}


def get(name: str) -> Preset:
    """The preset of that name; ValueError lists the known ones."""
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}; known are {', '.join(PRESETS)}.")
    return PRESETS[name]
