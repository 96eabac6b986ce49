"""What a process that reads hostile files may not do: an audit hook notes it.

Python reports every file it opens, every process it starts and every socket. Libraries
below it do not, so the one who attacks also watches a folder for them.
"""

import os
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from pathlib import Path

from hyperseg_tf.ops.cache import folder

_FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty")
_FORBIDDEN += ("subprocess.Popen", "pty.spawn", "webbrowser.open", "os.startfile")
_FORBIDDEN += ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo")
_FORBIDDEN += ("urllib.Request", "http.client.connect", "ftplib.connect")
_ROOT = Path(__file__).parents[2]
# For run.json, which says from which state of the code a run was trained.
_ASKED_OF_GIT = (
    ["rev-parse", "HEAD"],
    ["status", "--porcelain", "--untracked-files=no"],
)
_READABLE = ("/proc", "/sys", "/dev", "/etc", "/usr", "/lib", "/lib64")


class Guard:
    """Write down what is forbidden, from `start` on.

    Args:
        readable: Files and folders that may be opened for reading, beside the ones of
            Python, its packages and the system.
        writable: Folders that may be written to, beside the one for temporary files.
    """

    def __init__(self, readable: Iterable[Path], writable: Iterable[Path]):
        self.violations: list[str] = []
        temporary = os.path.realpath(tempfile.gettempdir())
        self._writable = [*map(os.path.realpath, writable), temporary]
        packages = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()}
        # The custom ops, which were built before.
        cache = os.path.realpath(folder())
        self._readable = [*map(os.path.realpath, readable), *packages, *_READABLE]
        self._readable += [cache]
        self._readable += self._writable
        self._on = False
        sys.addaudithook(self._heard)

    def start(self) -> None:
        """Forget what was, and listen."""
        self.violations = []
        self._on = True

    def stop(self) -> list[str]:
        """Listen no more, and return what was done."""
        self._on = False
        return self.violations

    def _heard(self, event, arguments):
        if not self._on:
            return
        if event == "subprocess.Popen" and _is_own_check(arguments):
            return
        if event in _FORBIDDEN:
            self.violations.append(f"{event} {arguments!r}"[:300])
        elif event == "open":
            self._opened(*arguments)

    def _opened(self, path, mode, flags):
        if not isinstance(path, str | bytes | os.PathLike):
            return  # a descriptor, opened before
        writes = bool(flags & (os.O_WRONLY | os.O_RDWR)) and path != "/dev/null"
        allowed = self._writable if writes else self._readable
        # The place of a link is looked at, too: it is opened by its name.
        real = os.path.realpath(os.fsdecode(path))
        if not real.startswith(tuple(allowed)) and real != "/dev/null":
            word = "writes" if writes else "reads"
            self.violations.append(f"{word} {real}"[:300])


def _is_own_check(arguments):
    """Whether an export is compared in a Python of its own, or git asked for our state.

    What is asked is part of it: nothing that a file says may come into these words.
    """
    words = list(arguments[1])
    return words[:2] == [sys.executable, "-I"] or (
        words[:3] == ["git", "-C", str(_ROOT)] and words[3:] in _ASKED_OF_GIT
    )
