"""Tab completion by argcomplete, where it is installed and a shell asks.

    eval "$(register-python-argcomplete hyperseg-tf)"

The shell runs the command with _ARGCOMPLETE set at every Tab: what is asked here must
not bring TensorFlow.
"""

import argparse
import os


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks and end the process; else do nothing."""
    if "_ARGCOMPLETE" not in os.environ:
        return
    try:
        import argcomplete
    except ImportError:
        return
    argcomplete.autocomplete(parser)


def recipes(**_) -> list[str]:
    """The names that `train` takes."""
    from hyperseg_tf.recipes import names

    return names()


def presets(**_) -> list[str]:
    """The names of the architectures."""
    from hyperseg_tf.presets import PRESETS

    return list(PRESETS)


def completed(argument: argparse.Action, names) -> argparse.Action:
    """Have an argument's values completed by a function of this module."""
    argument.completer = names  # argcomplete looks for it there
    return argument
