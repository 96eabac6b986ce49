"""What the pixels of each class count in a run's loss."""

from collections.abc import Mapping, Sequence

import numpy as np

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import advice
from hyperseg_tf.training.task import Task


def of_run(
    task: Task, class_pixels: Mapping[str, Sequence[int]]
) -> tuple[float, ...] | None:
    """One weight per class, None where the recipe has none.

    Args:
        class_pixels: Of every split, from `Task.require`.

    Raises:
        UserError: The recipe lists more or fewer weights than there are classes.
    """
    wanted = task.recipe.loss_class_weights
    if wanted is None:
        return None
    if wanted == "balanced":
        counts = np.array(class_pixels[task.train_set.split])
        # Where void is learnt, it is the class behind the others, as here.
        weights = advice.class_weights(counts[: len(task.names)])
        return tuple(float(weight) for weight in weights)
    if len(wanted) != len(task.names):
        raise UserError(
            f"there is one class weight per class: got {len(wanted)} for the "
            f"{len(task.names)} classes {', '.join(task.names)}; give as many "
            "(--set loss_class_weights=...), or balanced."
        )
    return tuple(wanted)
