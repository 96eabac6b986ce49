"""The types of `--size HxW` and `--size HxW|SIDE`."""

import argparse
import re


def size(text: str) -> tuple[int, int]:
    """Return (height, width) of "HxW", for `add_argument(type=size)`."""
    match = re.fullmatch(r"(\d+)[xX](\d+)", text)
    height, width = map(int, match.groups()) if match else (0, 0)
    if min(height, width) < 32:
        raise argparse.ArgumentTypeError(
            f"a size is HxW, height first, each at least 32: got {text!r}"
        )
    return height, width


def size_or_side(text: str) -> tuple[int, int] | int:
    """Return (height, width) of "HxW" or the shorter side of "N"."""
    if not text.isdecimal():
        return size(text)
    if int(text) < 32:
        raise argparse.ArgumentTypeError(
            f"a shorter side has 32 pixels at least: got {text!r}"
        )
    return int(text)
