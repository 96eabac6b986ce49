"""`hyperseg-tf doctor`: what can be used here, or what a run suggests doing next."""

import argparse
from pathlib import Path

from hyperseg_tf.base.errors import UserError


def add(commands) -> None:
    """Add `doctor` to the command line."""
    parser = commands.add_parser(
        "doctor",
        help="say what of the installation can be used here, or what a run suggests",
        description="Without RUN: print versions, devices, the compiler and the custom "
        "ops that it makes, the extras and weights that are present or missing, each "
        "with the line that installs it, and what to do. Nothing is built, downloaded "
        "or written. Exit status 0: models can be trained and used. With RUN: say in "
        "words what the log and the evaluations of a training run suggest doing next.",
    )
    parser.add_argument(
        "runs", nargs="*", type=Path, metavar="RUN", help="folder of --out of train"
    )
    # A TensorFlow that cannot be imported is one of the findings.
    parser.set_defaults(run=run, tensorflow=False)


def run(args: argparse.Namespace) -> int:
    """Print one line per finding and one per advice."""
    return _examine_runs(args.runs) if args.runs else _examine_installation()


def _examine_runs(runs: list[Path]) -> int:
    from hyperseg_tf.reporting.advice import advice
    from hyperseg_tf.reporting.run import read_runs

    for run in read_runs(runs):
        best = f"best mIoU {run.best['val_miou']:.4f} in epoch {run.best['epoch']}"
        print(f"{run.name}: {len(run.rows)} epochs, {best}")
        for one in advice(run) or ["nothing stands out"]:
            print(f"- {one}")
    return 0


def _examine_installation() -> int:
    from hyperseg_tf import installation
    from hyperseg_tf.base.quiet import import_tensorflow

    try:
        import_tensorflow()
    except Exception:  # `examine` says so.
        pass
    findings = installation.examine()
    width = max(len(finding.topic) for finding in findings)
    for finding in findings:
        print(f"{finding.topic:<{width}}  {finding.says}")
    advised = [finding for finding in findings if finding.advice]
    if advised:
        print("\nWhat to do:")
    for finding in advised:
        print(f"- {finding.topic}: {finding.advice}")
    fatal = [finding for finding in findings if finding.fatal]
    if fatal:
        raise UserError(
            "an installation has all that it requires: got "
            + "; ".join(f"{finding.topic}: {finding.says}" for finding in fatal)
            + "; what to do stands above."
        )
    return 0
