"""`hyperseg-tf benchmark`: latency of a model on this machine."""

import argparse
from pathlib import Path

from hyperseg_tf.cli.size import size


def add(commands) -> None:
    """Add `benchmark` to the command line."""
    parser = commands.add_parser(
        "benchmark",
        help="time a model on this machine",
        description="Time the folded, frozen model: normalised image in, logits out.",
    )
    parser.add_argument("model", help=".keras file, or the name of a preset")
    parser.add_argument(
        "--size", type=size, metavar="HxW", help="default: the preset's"
    )
    parser.add_argument("--batch-size", type=int, default=1, metavar="N")
    parser.add_argument("--calls", type=int, default=50, metavar="N")
    parser.add_argument("--threads", type=int, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Time, print, write the file asked for."""
    from hyperseg_tf.base.errors import UserError
    from hyperseg_tf.profiling import benchmark

    for name in ("batch_size", "calls", "threads"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise UserError(f"--{name.replace('_', '-')} is at least 1: got {value}.")
    result = benchmark.run(
        args.model,
        size=args.size,
        batch_size=args.batch_size,
        calls=args.calls,
        threads=args.threads,
    )
    print(result.table())
    if args.json:
        result.write_json(args.json)
        print(args.json)
    return 0
