"""Why a file was refused, before anybody knows which file it is."""

PLAIN = (
    "a checkpoint must be a whole file of torch.save with tensors and plain values only"
)
AGAIN = "save its state dict again with torch.save"
DAMAGED = "the file is damaged, fetch it again"


class Refused(ValueError):
    """What is wrong inside a file: the broken rule, what came, the way out.

    `torch_file` adds the path and makes a `UserError` of it.
    """

    def __init__(self, reason: str, way_out: str = AGAIN, rule: str = PLAIN):
        super().__init__(reason)
        self.reason = reason
        self.way_out = way_out
        self.rule = rule

    def sentence(self, subject: object) -> str:
        """The message about `subject`, on one line."""
        return f"{self.rule}: {subject}: {self.reason}; {self.way_out}."


def shorten(value: object, length: int = 60) -> str:
    """The value as a message bears it: one line, and containers by their type alone.

    A container is not printed because one that shares its parts prints forever.
    """
    if not isinstance(value, (str, bytes, int, float, type(None))):
        return f"a {type(value).__name__}"
    if isinstance(value, (str, bytes)):
        value = value[: 2 * length]
    text = ascii(value)
    return text if len(text) <= length else f"{text[:length]}..."
