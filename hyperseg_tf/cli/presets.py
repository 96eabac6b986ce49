"""`hyperseg-tf presets`: the architectures that a model can be built from."""

import argparse


def add(commands) -> None:
    """Add `presets` to the command line."""
    parser = commands.add_parser("presets", help="list the architectures")
    parser.set_defaults(run=run, tensorflow=False)


def run(args: argparse.Namespace) -> int:
    """Print one line per preset."""
    from hyperseg_tf.presets import PRESETS

    width = max(map(len, PRESETS))
    print(f"{'preset':<{width}}  {'backbone':<17}  {'classes':>7}  size")
    for preset in PRESETS.values():
        height, across = preset.image_size
        print(
            f"{preset.name:<{width}}  {preset.backbone:<17}  {preset.num_classes:>7}  "
            f"{height}x{across}"
        )
    return 0
