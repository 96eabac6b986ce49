"""`python -m hyperseg_tf` is `hyperseg-tf`."""

import sys

from hyperseg_tf.cli import main

if __name__ == "__main__":
    sys.exit(main())
