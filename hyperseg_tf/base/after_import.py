"""Do something once a package is imported, without importing it.

What a library registers with Keras must be there when Keras looks for it, in whichever
order a program imports the two; and Keras takes seconds to import.
"""

import importlib.util
import sys
from collections.abc import Callable


def after_import(name: str, action: Callable[[], None]) -> None:
    """Call `action` now, if the package is imported, or as soon as it is."""
    if name in sys.modules:
        action()
    else:
        sys.meta_path.insert(0, _Finder(name, action))


class _Finder:
    """Finds the package as the others do, and knows when it has been executed.

    Not one of `importlib.abc`, which takes longer to import than all of this.
    """

    def __init__(self, name: str, action: Callable[[], None]):
        self.name = name
        self.action = action

    def find_spec(self, fullname, path=None, target=None):
        """The spec of the package, whose loader calls the action; None for others."""
        if fullname != self.name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self.action)
        return spec


class _Loader:
    def __init__(self, loader, action: Callable[[], None]):
        self.loader = loader
        self.action = action

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        # What asks a module for its source or its resources shall find its own loader.
        module.__spec__.loader = module.__loader__ = self.loader
        self.loader.exec_module(module)
        self.action()
