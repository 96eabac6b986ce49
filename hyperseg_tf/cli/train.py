"""`hyperseg-tf train`: one recipe, one folder of data, one folder out."""

import argparse
import shlex
import sys
from pathlib import Path

from hyperseg_tf.cli.exit_status import INTERRUPTED


def add(commands) -> None:
    """Add the command to the parser's sub-commands."""
    parser = commands.add_parser(
        "train",
        help="train a recipe on a folder of images and labels",
        description="Train a recipe. The same command again resumes a stopped run.",
    )
    parser.add_argument("recipe", help="name; `hyperseg-tf recipes` lists them")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="name=value",
        help="change a field of the recipe, epochs=3, or of one of its transforms, "
        "train.RandomCrop.height=512; may be repeated",
    )
    parser.add_argument(
        "--weights",
        metavar="FROM",
        help="imagenet, imagenet-or-random, none (random) or a file; default: the "
        "recipe's",
    )
    parser.add_argument(
        "--devices", type=int, help="number of GPUs that share a batch; default: all"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="discard the run that --out holds"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train and print where the best model is and how good."""
    import recipes  # TensorFlow takes seconds; --help should not

    recipe = recipes.get(args.recipe)
    weights = [] if args.weights is None else [f"weights={args.weights}"]
    recipe = recipes.replace_from_strings(recipe, args.settings + weights)

    from hyperseg_tf.training.train import train

    try:
        result = train(
            recipe, args.data, args.out, resume=not args.fresh, devices=args.devices
        )
    except KeyboardInterrupt:
        print(f"stopped; to resume:\n  {_command(args)}", file=sys.stderr)
        return INTERRUPTED
    print(f"{result.model}: mIoU {result.best_miou:.4f} (epoch {result.best_epoch})")
    return 0


def _command(args: argparse.Namespace) -> str:
    """The command that goes on with the run."""
    words = ["hyperseg-tf", "train", args.recipe]
    words += ["--data", str(args.data), "--out", str(args.out)]
    for setting in args.settings:
        words += ["--set", setting]
    if args.weights is not None:
        words += ["--weights", args.weights]
    if args.devices is not None:
        words += ["--devices", str(args.devices)]
    return shlex.join(words)
