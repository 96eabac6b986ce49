"""How the words of a command line are read, and what is said of those that are wrong.

One line, and which word was meant.
"""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from hyperseg_tf.base.names import did_you_mean
from hyperseg_tf.cli.exit_status import FAILED


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; its sub-commands do, too."""

    def error(self, message: str) -> NoReturn:
        """End with the line, and where help is."""
        line = " ".join(message.split())
        self.exit(FAILED, f"{self.prog}: error: {line}; see {self.prog} --help\n")

    def _check_value(self, action, value):
        if action.choices is None or value in action.choices:
            return
        names = [str(name) for name in action.choices]
        raise argparse.ArgumentError(
            action,
            f"got {value!r}; {did_you_mean(str(value), names)}there are "
            f"{', '.join(names)}",
        )


def parse(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None
) -> argparse.Namespace:
    """What `parse_args` returns; options that are unknown are the sub-command's."""
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        chosen = _chosen(parser, args)
        options = [name for name in _options(chosen) if name.startswith("--")]
        guesses = [
            did_you_mean(word.partition("=")[0], options)
            for word in unknown
            if word.startswith("--")
        ]
        guess = f"; {guesses[0].strip()}" if guesses and guesses[0] else ""
        chosen.error(f"unknown: {' '.join(unknown)}{guess}")
    return args


def _chosen(parser, args):
    """The parser of the innermost sub-command that was named."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return _chosen(action.choices[getattr(args, action.dest)], args)
    return parser


def _options(parser) -> list[str]:
    return [word for action in parser._actions for word in action.option_strings]
