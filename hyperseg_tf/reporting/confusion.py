"""A confusion matrix on the page: the picture of it, and its largest mistakes."""

from collections.abc import Sequence

import numpy as np

from hyperseg_tf.reporting.axes import svg
from hyperseg_tf.reporting.markup import Markup, cut, element, percent, table

_CELL, _NAME = 30, 110
# A name that is longer is cut, beside the matrix.
_LONGEST = 16
# Beyond so many classes a cell is no longer one to be read.
MOST = 40
_SHOWN = 10


def confusion(matrix: np.ndarray, names: Sequence[str]) -> Markup:
    """Shares of each labelled class, as a picture of up to 40 classes.

    Args:
        matrix: (C, C), rows are labels, columns predictions; finite, at least 0.
        names: C class names.
    """
    matrix = np.asarray(matrix, np.float64)
    rows = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, rows, out=np.zeros(matrix.shape), where=rows > 0)
    picture = _picture(shares, names) if len(names) <= MOST else None
    return element("div", picture, _mistakes(shares, names), class_="pair")


def _picture(shares: np.ndarray, names: Sequence[str]) -> Markup:
    count = len(names)
    side = _NAME + count * _CELL + 6
    parts = []
    for i, name in enumerate(names):
        middle = _NAME + (i + 0.5) * _CELL
        shown = cut(name, _LONGEST)
        along = {"x": _NAME - 6, "y": middle + 4, "text_anchor": "end"}
        parts.append(element("text", shown, **along))
        turned = f"translate({middle + 4:g} {_NAME - 6}) rotate(-90)"
        parts.append(element("text", shown, transform=turned))
    for i in range(count):
        for j in range(count):
            parts += _cell(shares[i, j], i, j, names)
    title = "Confusion matrix: rows are labels, columns predictions"
    picture = svg(side, side, title, parts, grows=False)
    return element(
        "figure",
        element("div", picture, class_="wide", tabindex="0"),
        element(
            "figcaption",
            "Per cent of the pixels that are labelled so (row) and predicted so "
            "(column).",
        ),
    )


def _cell(share: float, i: int, j: int, names: Sequence[str]) -> list[Markup]:
    left, top = _NAME + j * _CELL, _NAME + i * _CELL
    # From white to the blue of the charts; right is blue, wrong is orange.
    low, high = (
        np.array([255, 255, 255]),
        np.array([[0, 84, 140], [190, 70, 0]])[int(i != j)],
    )
    red, green, blue = np.rint(low + (high - low) * share).astype(int)
    said = f"{names[i]} taken for {names[j]}: {percent(share)} %"
    rect = element(
        "rect",
        element("title", said),
        x=left,
        y=top,
        width=_CELL,
        height=_CELL,
        fill=f"#{red:02x}{green:02x}{blue:02x}",
        class_="cell",
    )
    if share < 0.005:
        return [rect]
    number = element(
        "text",
        f"{100 * share:.0f}",
        x=left + _CELL / 2,
        y=top + _CELL / 2 + 4,
        text_anchor="middle",
        fill="#fff" if share > 0.5 else "#222",
    )
    return [rect, number]


def _mistakes(shares: np.ndarray, names: Sequence[str]) -> Markup | None:
    wrong = shares.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_SHOWN]
    found = [np.unravel_index(i, wrong.shape) for i in order]
    rows = [
        (cut(names[i], 60), cut(names[j], 60), percent(wrong[i, j], 1))
        for i, j in found
        if wrong[i, j] >= 0.005
    ]
    if not rows:
        return None
    caption = element("h4", "Most often taken for another class")
    return element("div", caption, table(("labelled", "taken for", "% of it"), rows))
