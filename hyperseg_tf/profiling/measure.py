"""Count some presets and show them beside the paper's figures."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hyperseg_tf.base.atomic import atomic_file
from hyperseg_tf.presets import Preset
from hyperseg_tf.profiling.count_table import CountTable
from hyperseg_tf.profiling.counting import Count, count


@dataclass(frozen=True)
class Measurement:
    """Counts of some presets, in order."""

    counts: tuple[Count, ...]

    def table(self) -> str:
        """The counts as text, for people."""
        table = CountTable([count.preset for count in self.counts])
        rows = [table.row(count) for count in self.counts]
        return "\n".join([table.header(), *rows, table.legend(self.counts)])

    def write_json(self, path: str | os.PathLike) -> None:
        """Write every number, atomically."""
        facts = [count.to_dict() for count in self.counts]
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps(facts, indent=2) + "\n", "utf-8")


def measure(
    presets: Sequence[Preset], show: Callable[[str], None] | None = None
) -> Measurement:
    """Count presets; each takes seconds.

    Args:
        presets: At least one.
        show: Called with each part of the table as soon as it is known.
    """
    if not presets:
        raise ValueError("there must be a preset to count: got none.")
    show = show or (lambda line: None)
    table = CountTable(presets)
    show(table.header())
    counts = []
    for preset in presets:
        counts.append(count(preset))
        show(table.row(counts[-1]))
    show(table.legend(counts))
    return Measurement(tuple(counts))
