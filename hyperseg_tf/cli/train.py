"""`hyperseg-tf train`: one recipe, one folder of data, one folder out."""

import argparse
import shlex
from datetime import datetime, timedelta
from pathlib import Path

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.progress import say
from hyperseg_tf.cli import completion
from hyperseg_tf.cli.exit_status import interrupted
from hyperseg_tf.cli.labels import add_labels

# Fields of a recipe that most people change.
_FIELDS = {
    "preset": "architecture, `hyperseg-tf presets` lists them",
    "epochs": "passes over `samples_per_epoch` samples, each with a validation",
    "batch_size": "samples per step",
    "learning_rate": "of the first step",
}


def add(commands) -> None:
    """Add the command to the parser's sub-commands."""
    parser = commands.add_parser(
        "train",
        help="train a recipe on a folder of images and labels",
        description="Train a recipe. The same command again resumes a stopped run. "
        "Ctrl-C (exit status 130) and SIGTERM (143) stop after the step, saved; Ctrl-C "
        "again at once.",
    )
    recipe = parser.add_argument(
        "recipe", nargs="?", help="name; `hyperseg-tf recipes` lists them"
    )
    completion.completed(recipe, completion.recipes)
    parser.add_argument(
        "--from",
        dest="run_again",
        type=Path,
        metavar="RUN",
        help="repeat the run in this folder, with its recipe and data, in --out",
    )
    parser.add_argument("--data", type=Path, help="folder of the data")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="name=value",
        help="change a field of the recipe, epochs=3, of one of its transforms, "
        "train.RandomCrop.height=512, or of its pruning, prune.sparsity=0.75; may be "
        "repeated",
    )
    for name, what in _FIELDS.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            metavar="NAME" if name == "preset" else "N",
            help=f"{what}; short for --set {name}=",
        )
    parser.add_argument(
        "--weights",
        metavar="FROM",
        help="imagenet, imagenet-or-random, none (random) or a file; default: the "
        "recipe's",
    )
    parser.add_argument(
        "--split-val",
        metavar="SHARE",
        help="hold this share of train back for validation, where there is no val: 0.1",
    )
    add_labels(parser, "as the recipe says")
    parser.add_argument(
        "--devices", type=int, help="number of GPUs that share a batch; default: all"
    )
    parser.add_argument(
        "--save-every",
        type=float,
        metavar="MINUTES",
        help="between two saved states within an epoch; default: 10",
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--anneal",
        type=int,
        metavar="STEPS",
        help="end the run so many steps from where it is, its learning rate falling to "
        "zero",
    )
    length.add_argument(
        "--extend",
        type=int,
        metavar="EPOCHS",
        help="make the run so many epochs long, from where it is",
    )
    parser.add_argument(
        "--finish-by",
        metavar="TIME",
        help="18:30, 2030-12-24T18:30, or 45m or 1h30m from now: shorten the run, its "
        "learning rate falling to zero, if it would take longer",
    )
    parser.add_argument(
        "--time",
        metavar="TIME",
        help="20m or 1h30m: measure what a step takes here and fit the size of the "
        "crops, the batches, the network and the number of steps to it; with "
        "--finish-by that long from now",
    )
    several = parser.add_argument_group(
        "several processes, of one machine or of several",
        "Under KERAS_BACKEND=jax they share each batch: the same command in each, with "
        "its number; --out is on a file system that all see.",
    )
    several.add_argument(
        "--processes", type=int, metavar="N", help="number of processes"
    )
    several.add_argument(
        "--process-id", type=int, metavar="I", help="which one this is, from 0"
    )
    several.add_argument(
        "--coordinator",
        metavar="HOST:PORT",
        help="where process 0 is reached; any free port of its machine",
    )
    several.add_argument(
        "--heartbeat",
        type=int,
        metavar="SECONDS",
        help="without a sign of life after which a process counts as dead, and the "
        "others end; default: 100",
    )
    parser.add_argument(
        "--deterministic",
        action="store_true",
        help="two runs end with the same bits on a GPU, too, where some steps are then "
        "slower; on a CPU they do so anyway",
    )
    parser.add_argument(
        "--fresh", action="store_true", help="discard the run that --out holds"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train and print where the best model is and how good."""
    from hyperseg_tf import recipes  # TensorFlow takes seconds; --help should not

    recipe, data = _what(args)
    named = (*_FIELDS, "weights", "split_val", "read_labels")
    given = [(name, getattr(args, name)) for name in named]
    settings = [f"{name}={value}" for name, value in given if value is not None]
    recipe = recipes.replace_from_strings(recipe, args.settings + settings)

    from hyperseg_tf.training.deadline import parse_time
    from hyperseg_tf.training.train import train

    options = {} if args.save_every is None else {"save_every": args.save_every}
    if args.time is not None:
        recipe = _fitted(args, recipe, data)
    if args.finish_by is not None:
        # Once, so that the command to resume with means the same time.
        options["finish_by"] = parse_time(args.finish_by)
        args.finish_by = f"{options['finish_by']:%Y-%m-%dT%H:%M:%S}"
    try:
        result = train(
            recipe,
            data,
            args.out,
            resume=not args.fresh,
            devices=args.devices,
            anneal=args.anneal,
            extend=args.extend,
            deterministic=args.deterministic,
            process=_process(args),
            **options,
        )
    except KeyboardInterrupt as error:
        say(f"stopped; to resume:\n  {_command(args)}")
        return interrupted(error)
    pruned = "" if result.sparsity is None else f", sparsity {result.sparsity:.3f}"
    print(
        f"{result.model}: mIoU {result.best_miou:.4f} (epoch {result.best_epoch})"
        f"{pruned}"
    )
    return 0


def _fitted(args: argparse.Namespace, recipe, data: Path):
    """The recipe fitted to --time, which becomes settings and --finish-by."""
    from hyperseg_tf import recipes
    from hyperseg_tf.training.budget import fitted_settings, settings_of_run
    from hyperseg_tf.training.deadline import seconds_of

    if args.finish_by is not None:
        raise UserError(
            "a run has a time or an end: got --time and --finish-by; leave one out."
        )
    begun, seconds = datetime.now(), seconds_of(args.time)
    before = None if args.fresh else settings_of_run(recipe, args.out)
    fitted = before or fitted_settings(recipe, data, seconds)
    say(f"fitted to {args.time}: {' '.join(fitted) or 'nothing needed changing'}")
    args.settings += fitted
    args.time, args.finish_by = None, f"{begun + timedelta(seconds=seconds):%FT%T}"
    return recipes.replace_from_strings(recipe, fitted)


def _process(args: argparse.Namespace):
    """Which of several processes this is, None where it is the only one."""
    names = ("processes", "process_id", "coordinator")
    given = [name for name in names if getattr(args, name) is not None]
    if not given and args.heartbeat is None:
        return None
    if len(given) < len(names):
        lacking = [f"--{n.replace('_', '-')}" for n in names if n not in given]
        raise UserError(
            "one of several processes has --processes, --process-id and --coordinator: "
            f"{', '.join(lacking)} is missing; give all three or none."
        )

    from hyperseg_tf.training.processes import Processes

    heartbeat = {} if args.heartbeat is None else {"heartbeat_s": args.heartbeat}
    return Processes(args.coordinator, args.processes, args.process_id, **heartbeat)


def _what(args: argparse.Namespace):
    """The recipe and the folder of the data."""
    from hyperseg_tf import recipes

    if (args.recipe is None) == (args.run_again is None):
        raise UserError(
            "a run has a recipe, or that of another run: got "
            f"{'neither' if args.recipe is None else 'both'}; give the name of a "
            "recipe or --from RUN."
        )
    if args.run_again is None:
        if args.data is None:
            raise UserError("a recipe is trained on a folder: name it with --data DIR.")
        return recipes.get(args.recipe), args.data

    from hyperseg_tf.training.again import recorded

    run = recorded(args.run_again)
    for line in run.differences():
        say(f"note: {line}")
    return run.recipe, args.data or run.data


def _command(args: argparse.Namespace) -> str:
    """The command that goes on with the run."""
    words = ["hyperseg-tf", "train"]
    words += [args.recipe] if args.recipe else ["--from", str(args.run_again)]
    words += ["--data", str(args.data)] if args.data else []
    words += ["--out", str(args.out)]
    for setting in args.settings:
        words += ["--set", setting]
    single = (*_FIELDS, "weights", "split_val", "read_labels", "devices")
    for option in (*single, "anneal", "extend", "finish_by"):
        if getattr(args, option) is not None:
            words += [f"--{option.replace('_', '-')}", str(getattr(args, option))]
    if args.deterministic:
        words += ["--deterministic"]
    for name in ("processes", "process_id", "coordinator", "heartbeat"):
        if getattr(args, name) is not None:
            words += [f"--{name.replace('_', '-')}", str(getattr(args, name))]
    if args.save_every is not None:
        words += ["--save-every", f"{args.save_every:g}"]
    return shlex.join(words)
