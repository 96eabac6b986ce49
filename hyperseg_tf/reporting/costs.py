"""What the model of a run costs: counted from its architecture, timed where it was."""

from dataclasses import dataclass, replace

from hyperseg_tf.network.model_file import read_preset
from hyperseg_tf.presets import Preset
from hyperseg_tf.profiling.counting import Count, count
from hyperseg_tf.reporting.beside import Timed
from hyperseg_tf.reporting.run import Run


@dataclass(frozen=True)
class Costs:
    """Of one image through the model of one run.

    Attributes:
        count: Parameters and multiply-adds at `count.size`; None without a model.keras.
        timed: The latency of one image that `benchmark --json` left in the folder.
    """

    count: Count | None = None
    timed: Timed | None = None


class Counter:
    """Counts each architecture once, however many runs have it."""

    def __init__(self):
        self._known: dict[tuple[Preset, tuple[int, int]], Count] = {}

    def costs(self, run: Run) -> Costs:
        """The costs of a run, at the size it was timed or scored at, else the preset's.

        Raises:
            UserError: model.keras is damaged.
        """
        single = [timed for timed in run.beside.timed if timed.batch_size == 1]
        timed = single[-1] if single else None
        if not run.folder.best.exists():
            return Costs(None, timed)
        preset = read_preset(run.folder.best)
        size = timed.size if timed else _scored_size(run) or preset.image_size
        # The name of a preset changes nothing that is counted.
        key = (replace(preset, name="counted"), tuple(size))
        if key not in self._known:
            self._known[key] = count(preset, tuple(size))
        return Costs(self._known[key], timed)


def _scored_size(run: Run) -> tuple[int, int] | None:
    """What the network saw in an evaluation, where that is one size."""
    for scored in run.beside.scored:
        size = scored.data.get("input_size")
        if isinstance(size, list) and len(size) == 2:
            if all(type(side) is int and 32 <= side <= 16_384 for side in size):
                return size[0], size[1]
    return None
