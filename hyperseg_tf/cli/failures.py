"""What the machine, not the user, did to a command, in one line."""

from hyperseg_tf.base import os_errors
from hyperseg_tf.base.text import first_line
from hyperseg_tf.inference.memory import out_of_memory


def interruption(error: BaseException) -> KeyboardInterrupt | None:
    """The Ctrl-C that a library made an error of its own of; None where there is none.

    TensorFlow passes it on in words, Keras as what an error was raised in the midst of.
    """
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        if isinstance(found, KeyboardInterrupt):
            return found
        if "KeyboardInterrupt" in f"{type(found).__name__}: {found}":
            return KeyboardInterrupt()
        seen.add(id(found))
        found = found.__cause__ or found.__context__
    return None


def in_words(error: Exception) -> str | None:
    """The line; None for an error that is a bug, whose traceback shall be seen."""
    found = os_errors.behind(error)
    if found is not None and not out_of_memory(found):
        return os_errors.in_words(found)
    if found is not None or out_of_memory(error):
        said = first_line(error)[:200].rstrip(".")
        return (
            f"memory must suffice for what is asked: {said}; take smaller pictures "
            "(--size) or batches, or end other programs."
        )
    return None
