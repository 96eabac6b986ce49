"""What the machine, not the user, did to a command, in one line."""

from hyperseg_tf.base import os_errors
from hyperseg_tf.base.text import first_line
from hyperseg_tf.inference.memory import out_of_memory


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
