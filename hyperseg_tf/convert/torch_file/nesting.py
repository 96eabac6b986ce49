"""How containers lie in each other, found out without recursion.

A pickle can share a container as often as it likes: thirty lists, each twice in the
next, have a thousand million leaves. Each is therefore visited once.
"""

from hyperseg_tf.convert.refused import Refused

MAX_DEPTH = 64


def check_nesting(root: object) -> None:
    """Refuse cycles and depth in dicts, lists and tuples.

    Raises:
        Refused: If a container holds itself or lies more than `MAX_DEPTH` deep.
    """
    heights, path, entered = {}, [], set()

    def enter(item):
        if len(path) >= MAX_DEPTH:
            raise Refused(f"containers are nested deeper than {MAX_DEPTH}")
        children = item.values() if isinstance(item, dict) else item
        path.append([item, iter(children), 0])
        entered.add(id(item))

    if _is_container(root):
        enter(root)
    while path:
        item, children, height = path[-1]
        for child in children:
            if not _is_container(child):
                continue
            if id(child) in entered:
                raise Refused("a container holds itself")
            if id(child) not in heights:
                enter(child)
                break
            path[-1][2] = height = max(height, heights[id(child)])
        else:
            path.pop()
            entered.remove(id(item))
            heights[id(item)] = height + 1
            if len(path) + height + 1 > MAX_DEPTH:
                raise Refused(f"containers are nested deeper than {MAX_DEPTH}")
            if path:
                path[-1][2] = max(path[-1][2], height + 1)


def _is_container(value):
    return isinstance(value, (dict, list, tuple))
