"""The option of every command that reads label files."""

import argparse


def add_labels(
    parser: argparse.ArgumentParser, default: str = "as the class file says"
) -> None:
    """Add `--read-labels` to a command.

    Args:
        default: How they are read without it, in words.
    """
    parser.add_argument(
        "--read-labels",
        metavar="RULES",
        help="how to read label files that do not say what the class file says: "
        "0=0,255=1 (value in files = value in the class file, or void), first=1 "
        "(classes count from 1), nearest (to a class's colour or value), grey (three "
        "equal channels are values), bgr (red and blue swapped), others=void; with "
        f"commas between, or '' for as the class file says (default: {default})",
    )
