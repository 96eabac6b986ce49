"""The command `hyperseg-tf`: one file per command, each with `add(commands)`.

A command parses, calls one library function and prints the result. What a command
module imports at its top must not bring TensorFlow: `--help` answers at once. One
that never needs it says `set_defaults(tensorflow=False)`.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from hyperseg_tf import __version__
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.progress import ending_bars
from hyperseg_tf.cli import (
    benchmark,
    convert,
    data,
    evaluate,
    export,
    inspect,
    predict,
    presets,
    recipes,
    train,
)
from hyperseg_tf.cli.exit_status import FAILED, INTERRUPTED
from hyperseg_tf.cli.quiet import import_tensorflow

_COMMANDS = (
    train,
    evaluate,
    predict,
    inspect,
    export,
    convert,
    benchmark,
    data,
    presets,
    recipes,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    0: done; 2: the user can mend it, one line on stderr says how; 130: Ctrl-C.
    """
    args = _parser().parse_args(argv)
    try:
        if getattr(args, "tensorflow", True):
            import_tensorflow()
        with ending_bars():
            status = args.run(args)
        sys.stdout.flush()
        return status
    except UserError as error:
        return _fail(str(error))
    except BrokenPipeError:
        # Somebody like `head` has seen enough; nothing may be flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.filename is None:
            raise
        return _fail(
            f"a file could not be read or written: {error.filename}: "
            f"{error.strerror}; check the path and its permissions."
        )
    except KeyboardInterrupt:
        print("hyperseg-tf: interrupted", file=sys.stderr)
        return INTERRUPTED


def _fail(message: str) -> int:
    print(f"hyperseg-tf: error: {' '.join(message.split())}", file=sys.stderr)
    return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hyperseg-tf",
        description="Real-time semantic segmentation with HyperSeg: train on a folder "
        "of images, score, predict, export.",
    )
    parser.add_argument(
        "--version", action="version", version=f"hyperseg-tf {__version__}"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    return parser
