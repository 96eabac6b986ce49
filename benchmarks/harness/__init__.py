"""Paired timing of competitors that do the same work.

What is worth knowing before editing:

* Competitors take turns, A B A B ..., and a ratio is formed inside each round, so that
  a machine that slows down slows both halves of a pair. The order rotates from round to
  round (`rounds`). A turn is one untimed call, which brings caches and threads back,
  and as many timed calls as fill its seconds; its result is their mean (`turns`). Of
  calls that take longer than a turn one is enough.
* Every competitor lives in a process of its own, on the same processors, and waits on
  a pipe while another works (`processes`). TensorFlow and PyTorch bring a thread pool
  and an allocator each; in one process whichever is imported first decides for both
  (OpenMP variables, denormal handling), and their memory adds up. `--one-process` puts
  all of them into one process instead, to see what that does.
* Other programs on the machine do not slow everybody alike. On two busy cores PyTorch's
  fork-and-join loops, which wait for the slowest thread, were seen to lose far more
  than TensorFlow's pool, which hands work to whichever thread is free: forming pairs
  does not undo that. Where /proc/stat tells, the share of the processors used by
  anybody else is recorded with every turn. A round waits a little for quiet, a
  disturbed turn is taken again; only rounds of quiet turns count, and without enough of
  them no verdict is given (`comparison`).

Nothing here imports a framework: that is up to the factories, in their own processes.
"""

from benchmarks.harness.comparison import Comparison, Row, columns
from benchmarks.harness.machine import describe_machine, machine_lines
from benchmarks.harness.processes import Competitor, Output, Processes, Steps
from benchmarks.harness.rounds import (
    add_arguments,
    compare,
    progress,
    quiet_turn,
    report,
    write_json,
)
from benchmarks.harness.turns import Turn, are_quiet

__all__ = [
    "Comparison",
    "Competitor",
    "Output",
    "Processes",
    "Row",
    "Steps",
    "Turn",
    "add_arguments",
    "are_quiet",
    "columns",
    "compare",
    "describe_machine",
    "machine_lines",
    "progress",
    "quiet_turn",
    "report",
    "write_json",
]
