"""How pictures go through the network, as `predict` and `evaluate` take it."""

import argparse

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.cli.size import size


def add_passes(parser: argparse.ArgumentParser) -> None:
    """Add the options of `Passes` to a command."""
    parser.add_argument(
        "--window",
        type=size,
        metavar="HxW",
        help="show the network parts of this size one after another, in bounded memory "
        "(default: the whole picture; what is too large for that, parts of the size "
        "that the model is made for)",
    )
    parser.add_argument(
        "--overlap",
        type=float,
        default=0.25,
        metavar="SHARE",
        help="of a window that the next one repeats, faded (default: %(default)s)",
    )
    parser.add_argument(
        "--scales",
        default="1",
        metavar="A,B,...",
        help="average the probabilities at these multiples of the size: 0.75,1,1.5",
    )
    parser.add_argument(
        "--flip",
        choices=("none", "mean", "max"),
        default="none",
        help="the mirror image, too: the mean of the probabilities, or the larger "
        "logits as the released code does",
    )


def passes_of(args: argparse.Namespace):
    """The `Passes` that the options say; a `UserError` where they say none."""
    from hyperseg_tf.inference.passes import Passes

    if args.window and args.size:
        raise UserError(
            "a picture is resized as a whole (--size), or seen through windows as it "
            "is (--window): got both; leave out one."
        )
    try:
        scales = tuple(float(scale) for scale in args.scales.split(","))
    except ValueError:
        raise UserError(
            f"--scales are numbers with commas between: got {args.scales!r}; such as "
            "0.75,1,1.5."
        ) from None
    try:
        return Passes(
            window=args.window, overlap=args.overlap, scales=scales, flip=args.flip
        )
    except ValueError as error:
        raise UserError(str(error)) from None
