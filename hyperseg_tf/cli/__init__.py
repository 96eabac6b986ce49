# PYTHON_ARGCOMPLETE_OK
"""The command `hyperseg-tf`: one file per command, each with `add(commands)`.

A command parses, calls one library function and prints the result. What a command
module imports at its top must not bring TensorFlow: `--help` answers at once. One
that never needs it says `set_defaults(tensorflow=False)`. What a command writes at its
end it names in `outputs`, which are tried before it begins.
"""

import argparse
import sys
from collections.abc import Sequence

from hyperseg_tf import __version__
from hyperseg_tf.base.atomic import try_output
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.progress import ending_bars, say
from hyperseg_tf.base.quiet import import_tensorflow
from hyperseg_tf.base.stopping import stoppable
from hyperseg_tf.cli import (
    arguments,
    benchmark,
    cluster,
    completion,
    convert,
    data,
    doctor,
    evaluate,
    export,
    failures,
    inspect,
    predict,
    presets,
    recipes,
    report,
    streams,
    train,
    try_model,
)
from hyperseg_tf.cli.exit_status import FAILED, interrupted

_COMMANDS = (
    train,
    evaluate,
    report,
    predict,
    try_model,
    inspect,
    export,
    convert,
    cluster,
    benchmark,
    data,
    presets,
    recipes,
    doctor,
)


# Options, of any command, that name a folder to write.
FOLDERS = ("draw", "save_label_ids")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    0: done; 2: the user can mend it, one line on stderr says how; 130: Ctrl-C; 143:
    SIGTERM; 129: SIGHUP. What was begun is tidied up.
    """
    streams.prepare()
    parser = _parser()
    completion.complete(parser)
    if not (sys.argv[1:] if argv is None else argv):
        parser.print_help()
        return 0
    args = arguments.parse(parser, argv)
    with stoppable():
        try:
            return _run(args)
        except KeyboardInterrupt as error:
            what = f"ended by {error}" if str(error) else "interrupted"
            say(f"hyperseg-tf: {what}")
            return interrupted(error)


def _run(args: argparse.Namespace) -> int:
    try:
        for name in getattr(args, "outputs", ()):
            try_output(getattr(args, name), folder=name in FOLDERS)
        if getattr(args, "tensorflow", True):
            import_tensorflow()
        with ending_bars():
            status = args.run(args)
        sys.stdout.flush()
        return status
    except UserError as error:
        _raise_interruption(error)
        return _fail(str(error))
    except BrokenPipeError:
        # Somebody like `head` has seen enough.
        streams.drop_stdout()
        return 0
    except Exception as error:
        _raise_interruption(error)
        message = failures.in_words(error)
        if message is None:
            raise
        return _fail(message)


def _raise_interruption(error: Exception) -> None:
    interruption = failures.interruption(error)
    if interruption is not None:
        raise interruption from None


def _fail(message: str) -> int:
    try:
        sys.stdout.flush()
    except OSError:
        streams.drop_stdout()
    say(f"hyperseg-tf: error: {' '.join(message.split())}")
    return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = arguments.Parser(
        prog="hyperseg-tf",
        description="Real-time semantic segmentation with HyperSeg: train on a folder "
        "of images, score, predict, export.",
        epilog="exit status: 0 done, 2 a mistake that you can mend, one line says how, "
        "130 Ctrl-C, 143 SIGTERM, 129 SIGHUP",
    )
    parser.add_argument(
        "--version", action="version", version=f"hyperseg-tf {__version__}"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    return parser
