"""Lengths of time as people say them."""


def duration(seconds: float) -> str:
    """So many seconds in words: "45 s", "12 min", "3 h 05 min", "2 d 4 h"."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    hours = round(minutes / 60)
    return f"{hours // 24} d {hours % 24} h"
