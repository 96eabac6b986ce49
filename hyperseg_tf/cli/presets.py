"""`hyperseg-tf presets`: the architectures that a model can be built from."""

import argparse
from functools import partial
from pathlib import Path

from hyperseg_tf.cli import completion


def add(commands) -> None:
    """Add `presets` to the command line."""
    parser = commands.add_parser("presets", help="list or measure the architectures")
    names = parser.add_argument("names", nargs="*", help="only these (default: all)")
    completion.completed(names, completion.presets)
    parser.add_argument(
        "--measure",
        action="store_true",
        help="count parameters and multiply-adds, beside the paper's figures",
    )
    parser.add_argument("--json", type=Path, help="also write the counts there")
    parser.set_defaults(run=run, tensorflow=False, outputs=("json",))


def run(args: argparse.Namespace) -> int:
    """Print one line per preset."""
    from hyperseg_tf.base.errors import UserError
    from hyperseg_tf.presets import PRESETS, get

    try:
        chosen = [get(name) for name in args.names] or list(PRESETS.values())
    except ValueError as error:
        raise UserError(str(error)) from None
    if args.json and not args.measure:
        raise UserError("--json writes what --measure counts; give both.")
    if args.measure:
        return _measure(chosen, args.json)
    width = max(len(preset.name) for preset in chosen)
    print(f"{'preset':<{width}}  {'backbone':<17}  {'classes':>7}  size")
    for preset in chosen:
        height, across = preset.image_size
        print(
            f"{preset.name:<{width}}  {preset.backbone:<17}  {preset.num_classes:>7}  "
            f"{height}x{across}"
        )
    return 0


def _measure(chosen, target):
    from hyperseg_tf.base.quiet import import_tensorflow

    import_tensorflow()
    from hyperseg_tf.profiling.measure import measure

    measurement = measure(chosen, show=partial(print, flush=True))
    if target:
        measurement.write_json(target)
    return 0
