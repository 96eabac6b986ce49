"""`hyperseg-tf try`: a model on a page in the browser."""

import argparse
import sys
import time
from pathlib import Path

from hyperseg_tf.base.progress import say
from hyperseg_tf.network.bundled import MODELS

_DEFAULT = "road11-small"


def add(commands) -> None:
    """Add `try` to the command line."""
    parser = commands.add_parser(
        "try",
        help="show what a model makes of your pictures, in the browser",
        description="Open a page, on this machine alone, that draws a model's classes "
        "over pictures that are chosen or dropped there. Ctrl-C ends it.",
    )
    parser.add_argument(
        "model",
        type=Path,
        nargs="?",
        default=Path(_DEFAULT),
        help=".keras file, folder of a run, or the name of a bundled model: "
        f"{', '.join(MODELS)} (default: {_DEFAULT})",
    )
    parser.add_argument(
        "--port", type=int, default=0, help="of 127.0.0.1 (default: a free one)"
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="print the address alone"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print where the page is, open it, and answer until Ctrl-C."""
    import webbrowser

    from hyperseg_tf.inference.try_page import Page

    start = time.perf_counter()
    page = Page(args.model, args.port)
    print(page.url)
    sys.stdout.flush()
    say(f"ready after {time.perf_counter() - start:.0f} s; Ctrl-C ends it")
    if not args.no_browser:
        webbrowser.open(page.url)
    try:
        page.serve()
    except KeyboardInterrupt as error:
        if str(error):  # SIGTERM, SIGHUP
            raise
    return 0
