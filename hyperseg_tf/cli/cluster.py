"""`hyperseg-tf cluster`: kernels of few values, for a small compressed file."""

import argparse
from pathlib import Path

from hyperseg_tf.base.errors import UserError


def add(commands) -> None:
    """Add `cluster` to the command line."""
    parser = commands.add_parser(
        "cluster",
        help="give the kernels of a model few values, so that it compresses well",
        description="Fold a model and replace every weight of its large kernels by one "
        "of N values of that kernel. The file is as large as before, but small in a "
        "zip; so are the exports made from it. Nothing is trained: `evaluate` says "
        "what it costs.",
    )
    parser.add_argument("model", type=Path, help=".keras file written by train")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.keras")
    parser.add_argument(
        "--clusters",
        type=int,
        default=64,
        metavar="N",
        help="values of a kernel, 2 to 256 (default: %(default)s)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace what is at FILE.keras"
    )
    parser.set_defaults(run=run, outputs=("out",))


def run(args: argparse.Namespace) -> int:
    """Cluster and print the file and its size."""
    from hyperseg_tf.compression.files import cluster_file

    try:
        found = cluster_file(args.model, args.out, args.clusters, args.overwrite)
    except ValueError as error:
        raise UserError(str(error)) from None
    print(f"{found.model}: {found.num_bytes:,} bytes, {found.deflated:,} in a zip")
    return 0
