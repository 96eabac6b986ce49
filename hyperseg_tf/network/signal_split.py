"""How the channels of the signal are divided among the weight heads (Algorithm 1).

Integers only. The checkpoints depend on every unit landing where the released code
puts it, so the odd corners (equal sizes share, a remainder may be dropped) are kept.
"""

from collections import Counter
from collections.abc import Sequence

RULES = ("at_least_one", "proportional")


def divide_channels(
    channels: int, unit: int, sizes: Sequence[int], rule: str = "at_least_one"
) -> tuple[int, ...]:
    """Divide the signal's channels among weight heads, in proportion to their sizes.

    Channels are handed out in units. Sizes that occur several times are treated as one
    group whose members get the same; groups are served in descending order of their
    total, and the last one (the smallest) takes what rounding down has left. What does
    not divide evenly among the members of that last group stays unused.

    Args:
        channels: Channels C of the signal; a multiple of `unit`.
        unit: Smallest number of channels that is handed out; the largest group count
            of all weight heads, so that each part divides by its own (Eq. 5).
        sizes: Number of generated weights of each head.
        rule: "at_least_one" gives each head one unit first (Algorithm 1 as released);
            "proportional" is the older released rule, where a head that shares its
            size with others may get none.

    Returns:
        Channels of each head, in the order of `sizes`.

    Raises:
        ValueError: If the numbers are not positive, `unit` does not divide `channels`,
            or there are fewer units than heads.

    Source: Algorithm 1 and Eq. 5 of the paper.
    """
    if rule not in RULES:
        raise ValueError(f"rule must be one of {RULES}: got {rule!r}.")
    if not sizes or min(sizes) < 1 or unit < 1 or channels < 1:
        raise ValueError(
            "channels, unit and every size must be positive: got "
            f"{channels=}, {unit=}, sizes={list(sizes)}."
        )
    if channels % unit:
        raise ValueError(f"unit={unit} must divide channels={channels}.")
    units = channels // unit
    if units < len(sizes):
        raise ValueError(
            f"{channels} channels in units of {unit} are {units} units, too few for "
            f"{len(sizes)} weight heads; use smaller weight groups."
        )
    members = Counter(sizes)
    first = 1 if rule == "at_least_one" else 0
    left = units - first * len(sizes)
    units_per_weight = units / sum(sizes)
    order = sorted(members, key=lambda size: (-size * members[size], size))
    parts = {}
    for size in order:
        count = members[size]
        share = left
        if size != order[-1]:
            share = max(int(size * count * units_per_weight), 1) - first * count
            share = min(max(share, 0), left)
        each = share // count
        left -= each * count
        parts[size] = (first + each) * unit
    return tuple(parts[size] for size in sizes)
