"""`hyperseg-tf inspect`: pictures of the weights generated for one picture."""

import argparse
import re
from pathlib import Path

from hyperseg_tf.cli.size import size


def add(commands) -> None:
    """Add `inspect` to the command line."""
    parser = commands.add_parser(
        "inspect",
        help="draw the weights generated for a picture",
        description="Write pictures of what only a hypernetwork has to DIR: norms.png, "
        "components.png and similarity.png of the weights generated for each patch, "
        "signal.png with the channels that they are made from, prediction.png to read "
        "them against, and inspection.json with all numbers.",
    )
    parser.add_argument(
        "model", help=".keras file, or the name of a preset (random weights)"
    )
    parser.add_argument("image", type=Path, help="any picture")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--patch",
        type=patch,
        metavar="ROW,COLUMN",
        help="compare this patch with the others, counted from 0 (default: the one "
        "whose weights are farthest from the mean)",
    )
    parser.add_argument(
        "--size",
        type=size,
        metavar="HxW",
        help="resize the picture to this for the network (default: its own size)",
    )
    parser.add_argument(
        "--weights",
        action="store_true",
        help="also write weights.npz: weights_i (rows, columns, P) of weight head i",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an earlier inspection in DIR"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Inspect, print the table and what was written."""
    from hyperseg_tf.inspection.folder import inspect_to_folder

    found, written = inspect_to_folder(
        args.model,
        args.image,
        args.out,
        args.patch,
        image_size=args.size,
        overwrite=args.overwrite,
        weights=args.weights,
    )
    print(found.table())
    for path in written:
        print(path)
    return 0


def patch(text: str) -> tuple[int, int]:
    """Return (row, column) of "ROW,COLUMN", for `add_argument(type=patch)`."""
    match = re.fullmatch(r"(\d+),(\d+)", text)
    if match is None:
        raise argparse.ArgumentTypeError(
            f"a patch is ROW,COLUMN, counted from 0: got {text!r}"
        )
    return int(match[1]), int(match[2])
