"""The one exception that a command prints as a single line.

Anything a user can mend from the command line (a path, a file, a value in a
recipe) is a `UserError`; a wrong argument of a Python call is a `ValueError`.
"""


class UserError(Exception):
    """A mistake the user can mend: the rule, what came, the way out."""
