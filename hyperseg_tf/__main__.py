"""`python -m hyperseg_tf`, and the command `hyperseg-tf` itself.

Nothing is imported before Ctrl-C is caught, whose traceback nobody wants to see.
"""

import sys


def main() -> int:
    """Run one command; see `hyperseg_tf.cli.main`."""
    try:
        from hyperseg_tf.cli import main as run

        return run()
    except KeyboardInterrupt:
        sys.stderr.write("hyperseg-tf: interrupted\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
