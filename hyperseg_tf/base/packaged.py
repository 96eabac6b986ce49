"""Files within installed packages: found, checked and read as data.

Nothing of a package is imported or run.
"""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.regular_file import open_regular

_PIECE = 2**20


@dataclass(frozen=True)
class PackagedFile:
    """A file of an installable package, known by its bytes.

    Attributes:
        package: Its name as it is imported.
        version: Of the package, for pip.
        name: Path within the package.
        sha256: Of the file.
    """

    package: str
    version: str
    name: str
    sha256: str

    @property
    def distribution(self) -> str:
        """The name of the package as pip knows it."""
        return self.package.replace("_", "-")

    def is_installed(self) -> bool:
        """Whether the package is there; its file may still be another one."""
        return self._origin() is not None

    def _origin(self) -> str | None:
        try:
            found = importlib.util.find_spec(self.package)
        except (ImportError, ValueError):
            return None
        return found.origin if found else None

    def path(self, missing: str) -> Path:
        """The file, checked.

        Args:
            missing: What is said where the package is not installed.

        Raises:
            UserError: It is not installed, or the file is not the known one.
        """
        origin = self._origin()
        if not origin:
            raise UserError(missing)
        path = Path(origin).parent / self.name
        again = f"pip install --force-reinstall {self.distribution}=={self.version}"
        digest = hashlib.sha256()
        try:
            with open_regular(path) as opened:
                while piece := opened.read(_PIECE):
                    digest.update(piece)
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error}): {again}.") from error
        if digest.hexdigest() != self.sha256:
            raise UserError(
                f"{path} must have the SHA-256 {self.sha256}: got "
                f"{digest.hexdigest()}; {again}."
            )
        return path
