"""Import TensorFlow without the lines it writes before its log level counts."""

import importlib
import logging
import os
import sys
import tempfile


def import_tensorflow() -> None:
    """Import TensorFlow for a command: quietly, and with nothing but errors later."""
    if import_quietly("tensorflow"):
        logging.getLogger("tensorflow").setLevel(logging.ERROR)


def import_quietly(name: str) -> bool:
    """Import a package that may bring TensorFlow, and hide what is said meanwhile.

    What it says is shown if it fails. TF_CPP_MIN_LOG_LEVEL is set to 3 if it is not
    set: below that, every machine without a GPU is told of an error that is none, and
    real errors raise anyway.
    Somebody who sets it to 0 or 1 sees everything.

    Returns:
        Whether there was something to hide.
    """
    if "tensorflow" in sys.modules:
        return False
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if level in ("0", "1"):
        return False
    # The lines come from C++ and go to file descriptor 2, whatever sys.stderr is.
    sys.stderr.flush()
    try:
        hidden = tempfile.TemporaryFile()
    except OSError:
        return True  # No space for the lines: they are seen once somebody imports it.
    kept = os.dup(2)
    with hidden:
        os.dup2(hidden.fileno(), 2)
        complete = False
        try:
            importlib.import_module(name)
            complete = True
        except ModuleNotFoundError:
            # Another Keras backend: the command says itself what it needs.
            complete = True
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            if not complete:
                hidden.seek(0)
                os.write(2, hidden.read())
    return True
