"""Text of strangers on its way to a terminal, a legend or a table."""

LONGEST_NAME = 100


def is_short_line(value) -> bool:
    """Whether it is a text of 1 to 100 printable characters: no control codes."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= LONGEST_NAME
        and value.isprintable()
    )


def first_line(error: BaseException) -> str:
    """What an error says first, or its type where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def shortened(value, longest: int = 200) -> str:
    """A value as one line for a message: escaped where need be, and cut."""
    text = str(value) if isinstance(value, Exception) else repr(value)
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[: longest + 1])
    return text if len(text) <= longest else f"{text[:longest]} ..."
