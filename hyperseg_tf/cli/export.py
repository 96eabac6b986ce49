"""`hyperseg-tf export`: a model for deployment, compared before it appears."""

import argparse
from pathlib import Path


def add(commands) -> None:
    """Add `export` to the command line."""
    parser = commands.add_parser(
        "export",
        help="write a model for deployment",
        description="Write the model with preprocessing inside, reload it without "
        "this project's code and compare; it appears only if it agrees.",
    )
    parser.add_argument("model", type=Path, help=".keras file written by train")
    parser.add_argument(
        "--format", default="saved_model", help="default: %(default)s, the only one yet"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="PATH")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace what is at PATH"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Export and print where it is."""
    from hyperseg_tf import export

    print(export.write(args.model, args.format, args.out, overwrite=args.overwrite))
    return 0
