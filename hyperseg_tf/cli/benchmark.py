"""`hyperseg-tf benchmark`: latency of a model, and of its exports, on this machine."""

import argparse
from pathlib import Path

from hyperseg_tf.cli.size import size


def add(commands) -> None:
    """Add `benchmark` to the command line."""
    parser = commands.add_parser(
        "benchmark",
        help="time a model, or all its exports, on this machine",
        description="Time the folded, frozen model: normalised image in, logits out; "
        "or, with --end-to-end, from the bytes of a JPEG to those of a mask. Calls of "
        "several implementations come in turns. With --formats: export the model, run "
        "every export in its own runtime, in turns, and show size, speed, memory and "
        "agreement beside the model's own.",
    )
    parser.add_argument("model", help=".keras file, or the name of a preset")
    parser.add_argument(
        "--size", type=size, metavar="HxW", help="default: the preset's"
    )
    parser.add_argument("--batch", "--batch-size", type=int, default=1, metavar="N")
    parser.add_argument(
        "--calls",
        type=int,
        default=50,
        metavar="N",
        help="timed (default: %(default)s)",
    )
    parser.add_argument("--threads", type=int, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers")
    parser.add_argument(
        "--implementation",
        metavar="LIST",
        help="of the dynamic convolution, several with commas: fused,xla,slices,einsum",
    )
    parser.add_argument(
        "--compare",
        action="store_true",
        help="all implementations in turns, with ratios to the first, the fused one",
    )
    parser.add_argument(
        "--end-to-end",
        action="store_true",
        help="decode, normalise, classes and encoding are in it, as predict does them",
    )
    formats = parser.add_argument_group("exports")
    formats.add_argument(
        "--formats",
        metavar="LIST",
        help="all, or formats of `export` with or without a precision: "
        "saved_model,tflite,onnx:int8",
    )
    formats.add_argument(
        "--calibrate",
        type=Path,
        metavar="DIR",
        help="pictures or a data set for int8, which are left out without",
    )
    formats.add_argument(
        "--labels",
        type=Path,
        metavar="DIR",
        help="data set that the model and all exports are scored on",
    )
    parser.set_defaults(run=run, outputs=("json",))


def run(args: argparse.Namespace) -> int:
    """Time, print, write the file asked for."""
    from hyperseg_tf.base.errors import UserError

    for name in ("batch", "calls", "threads"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise UserError(f"--{name} is at least 1: got {value}.")
    for name in ("calibrate", "labels"):
        if args.formats is None and getattr(args, name) is not None:
            raise UserError(f"--{name} is for exports: add --formats all.")
    if args.compare and args.implementation:
        raise UserError("--compare is all implementations: leave out --implementation.")
    for name in ("compare", "implementation", "end_to_end"):
        if args.formats is not None and getattr(args, name):
            raise UserError(
                f"--{name.replace('_', '-')} is of the model, --formats of its "
                "exports: leave out one of them."
            )
    result = _benchmark(args) if args.formats is None else _comparison(args)
    print(result.table())
    if args.json:
        result.write_json(args.json)
        print(args.json)
    return 0


def _benchmark(args: argparse.Namespace):
    from hyperseg_tf.profiling import benchmark

    return benchmark.run(
        args.model,
        size=args.size,
        batch_size=args.batch,
        calls=args.calls,
        threads=args.threads,
        implementations="all" if args.compare else _names(args.implementation),
        end_to_end=args.end_to_end,
    )


def _names(text: str | None) -> list[str] | None:
    return text and [name.strip() for name in text.split(",")]


def _comparison(args: argparse.Namespace):
    from hyperseg_tf.export.comparison import compare

    return compare(
        args.model,
        args.formats,
        size=args.size,
        batch=args.batch,
        calls=args.calls,
        threads=args.threads,
        calibrate=args.calibrate,
        labels=args.labels,
    )
