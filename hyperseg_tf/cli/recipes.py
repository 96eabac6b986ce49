"""`hyperseg-tf recipes`: the training runs that `train` knows."""

import argparse


def add(commands) -> None:
    """Add `recipes` to the command line."""
    parser = commands.add_parser("recipes", help="list the training runs")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one line per recipe."""
    from hyperseg_tf import recipes

    found = {name: recipes.get(name) for name in recipes.names()}
    width = max(map(len, found))
    presets = max(len(recipe.preset) for recipe in found.values())
    print(f"{'recipe':<{width}}  {'preset':<{presets}}  {'protocol':<16}  epochs")
    for name, recipe in found.items():
        print(
            f"{name:<{width}}  {recipe.preset:<{presets}}  {recipe.protocol:<16}  "
            f"{recipe.epochs} of {recipe.samples_per_epoch} samples, "
            f"batch {recipe.batch_size}"
        )
    return 0
