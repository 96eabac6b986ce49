"""`hyperseg-tf convert`: released checkpoints to models and back, models to half."""

import argparse
import sys
from pathlib import Path

from hyperseg_tf.base.errors import UserError

DIFFERS = 1


def add(commands) -> None:
    """Add `convert` to the command line."""
    parser = commands.add_parser(
        "convert",
        help="turn a released .pth into a .keras file, or back",
        description="Read a released PyTorch checkpoint, without PyTorch and without "
        "running anything in it, and write it as a model file; with --to-pth the way "
        "back. With --half a model file of half the size. Exit status 1: written, but "
        "a tensor is beyond the tolerance.",
    )
    parser.add_argument(
        "source",
        type=Path,
        help=".pth checkpoint; with --to-pth or --half a .keras file",
    )
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help="its architecture; may be left out where the checkpoint says it",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="PATH")
    parser.add_argument(
        "--report",
        type=Path,
        metavar="TABLE.md",
        help="write which entry went where, or how far stored activations are",
    )
    parser.add_argument(
        "--activations",
        type=Path,
        metavar="FILE.npz",
        help="tensors of the released model to compare in the report",
    )
    way = parser.add_mutually_exclusive_group()
    way.add_argument(
        "--to-pth", action="store_true", help="write a checkpoint for the authors' code"
    )
    way.add_argument(
        "--half",
        action="store_true",
        help="write a .keras file with kernels in float16, which compute in float32",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace what is at PATH"
    )
    parser.set_defaults(run=run, outputs=("out", "report"))


def run(args: argparse.Namespace) -> int:
    """Convert and print what was written."""
    from hyperseg_tf.convert import files

    if args.to_pth or args.half:
        _check_alone(args)
        write = files.keras_to_pth if args.to_pth else files.keras_to_half
        written = write(args.source, args.out, args.overwrite)
    else:
        written = files.pth_to_keras(
            args.source,
            args.out,
            args.preset,
            args.report,
            args.activations,
            args.overwrite,
        )
    print(written.model)
    if written.report is not None:
        print(written.report)
    if written.failed:
        print(
            f"hyperseg-tf: {len(written.failed)} tensors are beyond the tolerance, "
            f"first {written.failed[0]}; see {written.report}",
            file=sys.stderr,
        )
        return DIFFERS
    return 0


def _check_alone(args):
    for option in ("preset", "report", "activations"):
        if getattr(args, option) is not None:
            raise UserError(
                f"--{'to-pth' if args.to_pth else 'half'} needs nothing but the model: "
                f"got --{option}; leave it out."
            )
