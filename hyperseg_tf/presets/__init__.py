"""The architectures by name: published models, Lite ones, the paper's variants."""

from hyperseg_tf.base.names import did_you_mean
from hyperseg_tf.presets.ablations import ABLATIONS
from hyperseg_tf.presets.lite import LITE
from hyperseg_tf.presets.preset import CONTEXT_HEADS, HALOS, Preset
from hyperseg_tf.presets.published import PAPER, PUBLISHED, TINY

__all__ = ["CONTEXT_HEADS", "HALOS", "PRESETS", "Preset", "get"]

PRESETS = {
    preset.name: preset for preset in (*PUBLISHED, TINY, *LITE, *PAPER, *ABLATIONS)
}


def get(name: str) -> Preset:
    """The preset of that name; ValueError guesses which, or lists the known ones."""
    if name not in PRESETS:
        guess = did_you_mean(str(name), PRESETS)
        raise ValueError(
            f"a preset has one of the known names: got {name!r}; "
            + (guess and f"{guess}`hyperseg-tf presets` lists all.")
            + ("" if guess else f"they are {', '.join(PRESETS)}.")
        )
    return PRESETS[name]
