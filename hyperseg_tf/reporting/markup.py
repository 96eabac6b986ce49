"""HTML and SVG that can hold text of strangers: what is not markup is escaped.

Everything on the page is made by `element`, whose children are either markup, which
only `element` makes, or text, which is escaped. No name out of a file can end a tag.
"""

import html
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

_EMPTY = {"br", "img", "meta"}
_LONGEST = 2000


class Markup(str):
    """Text that is HTML already."""


def element(tag: str, *children: Any, **attributes: Any) -> Markup:
    """One element.

    Args:
        tag: Its name.
        children: Markup as it is; None is left out; lists are their entries; anything
            else is text.
        attributes: By name, `class_` for "class", "_" for "-"; None is left out.
    """
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escaped(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in _EMPTY:
        return Markup(f"<{tag}{given}>")
    return Markup(f"<{tag}{given}>{joined(children)}</{tag}>")


def joined(children: Iterable[Any]) -> Markup:
    """Markup and text one after another."""
    parts = []
    for child in children:
        if isinstance(child, Markup):
            parts.append(child)
        elif isinstance(child, list | tuple):
            parts.append(joined(child))
        elif child is not None:
            parts.append(escaped(child))
    return Markup("".join(parts))


def escaped(value: Any) -> Markup:
    """Text for a page; control codes, which a page cannot hold, become "?"."""
    text = re.sub(
        r"[^\t\n -~\u00a0-\ud7ff\ue000-\uffef\U00010000-\U0010fffd]", "?", str(value)
    )
    return Markup(html.escape(text, quote=True))


def table(
    header: Sequence[Any],
    rows: Iterable[Sequence[Any]],
    *,
    class_: str | None = None,
) -> Markup:
    """A table in a box of its own, which scrolls where the window is narrow.

    Args:
        header: Titles of the columns.
        rows: Cells; numbers and texts that begin with a digit or a sign are aligned on
            the right by the column's class, "n".
    """
    rows = [list(row) for row in rows]
    kinds = [
        "n" if all(_is_number(row[i]) for row in rows) and rows else None
        for i in range(len(header))
    ]
    head = [
        element("th", cell, class_=k) for cell, k in zip(header, kinds, strict=True)
    ]
    body = [
        element(
            "tr", [element("td", c, class_=k) for c, k in zip(row, kinds, strict=True)]
        )
        for row in rows
    ]
    made = element(
        "table",
        element("thead", element("tr", head)),
        element("tbody", body),
        class_=class_,
    )
    return element("div", made, class_="wide", tabindex="0")


def facts(pairs: Iterable[tuple[str, Any]]) -> Markup:
    """Names and values as a table without a header; values of None are left out."""
    rows = [
        element("tr", element("th", name, scope="row"), element("td", value))
        for name, value in pairs
        if value is not None
    ]
    made = element("table", element("tbody", rows), class_="facts")
    return element("div", made, class_="wide", tabindex="0")


def cut(value: Any, longest: int = _LONGEST) -> str:
    """A text that is not longer than a person reads."""
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= longest else f"{text[:longest]} …"


def percent(value: float | None, digits: int = 2) -> str:
    """A share as the number of per cents, "–" where there is none."""
    return "–" if value is None or math.isnan(value) else f"{100 * value:.{digits}f}"


def _is_number(cell: Any) -> bool:
    text = re.sub(r"<[^>]*>", "", cell) if isinstance(cell, str) else str(cell)
    return re.match(r"[\s+–-]*(\d|$)", text) is not None
