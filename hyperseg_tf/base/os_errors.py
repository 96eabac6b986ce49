"""What the operating system said, whichever library passed it on.

A full disk is an OSError of Python's, often without the file; one of TensorFlow's, in
words; or behind what a library raised while it closed a file that it could not write.
"""

import errno
import os
import re

# Only a disk says them: whatever was raised while one of them was handled is its doing.
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
_CODES = {os.strerror(code): code for code in errno.errorcode}

_SPACE = "free some space there and run the command again"
_WAYS_OUT = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EFBIG: "raise the limit of file sizes (ulimit -f)",
    errno.EIO: "see whether the disk, or the network behind it, is sound",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close other programs: the system has too many files open",
}


def behind(error: BaseException) -> OSError | None:
    """The error of the operating system that an exception is about, or None."""
    if isinstance(error, OSError):
        return error
    if type(error).__module__.startswith("tensorflow."):
        return _of_tensorflow(str(error))
    seen: set[int] = set()
    before = error.__cause__ or error.__context__
    while before is not None and id(before) not in seen:
        if isinstance(before, OSError) and before.errno in _DISK:
            return before
        seen.add(id(before))
        before = before.__cause__ or before.__context__
    return None


def in_words(error: OSError) -> str:
    """The rule, what came, the way out: one line."""
    what = error.strerror or str(error) or type(error).__name__
    where = f"{error.filename}: " if isinstance(error.filename, str) else ""
    way_out = _WAYS_OUT.get(error.errno, "check the path and its permissions")
    return f"a file could not be read or written: {where}{what}; {way_out}."


def _of_tensorflow(message: str) -> OSError | None:
    """From "{{node}} PATH; No space left on device [Op:SaveV2]"."""
    plain = re.sub(r"^\{\{.*?\}\} ", "", message)
    plain = re.split(r" \[Op:|\n", plain)[0].strip()
    path, _, said = plain.rpartition("; ")
    code = _CODES.get(said)
    return code and OSError(code, said, path or None)
