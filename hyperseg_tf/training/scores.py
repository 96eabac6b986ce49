"""Callbacks that score the network after each epoch and keep the best one."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from hyperseg_tf.base.progress import say
from hyperseg_tf.compression.sparsity import sparsity
from hyperseg_tf.evaluation.metrics import iou_per_class, mean_iou
from hyperseg_tf.recipes import Recipe
from hyperseg_tf.training import processes
from hyperseg_tf.training.compiled import logits_of, scores_of
from hyperseg_tf.training.optimizer import averaged_weights
from hyperseg_tf.training.run_folder import RunFolder, save_model
from hyperseg_tf.training.state import Position

IOU = "iou/"


class Validation(keras.callbacks.Callback):
    """Score a copy of the model on the validation samples after each epoch.

    Adds `val_loss`, `val_miou` and `iou/<class>` to the epoch's logs. The copy lives
    outside any distribution strategy: shared between devices, an incomplete last
    batch can leave one of them without a sample, which batch norm does not survive.

    Args:
        twin: The same network as the one trained, not compiled.
        batches: (images (B, H, W, 3) float32, labels (B, H, W) uint8); of several
            processes each has some, and all get the scores of all.
        loss: Mean over the images of a batch of a loss on (labels, logits).
        class_names: One per class.
    """

    def __init__(
        self,
        twin: keras.Model,
        batches: Iterable[tuple[Any, Any]],
        loss: Callable[[Any, Any], Any],
        class_names: Sequence[str],
    ):
        super().__init__()
        self.twin = twin
        self.batches = batches
        self.class_names = tuple(class_names)
        self.predict = logits_of(twin)
        self.score = scores_of(self.predict, loss, len(self.class_names))

    def on_epoch_end(self, epoch, logs=None):
        self.twin.set_weights(averaged_weights(self.model))
        classes = len(self.class_names)
        counts = np.zeros((classes, classes), "int64")
        sums = np.zeros(2)  # of the loss, and images
        for images, labels in self.batches:
            loss, of_batch = self.score(images, labels)
            counts += np.asarray(of_batch)
            sums += len(images) * float(loss), len(images)
        counts = processes.total(counts)
        total, num_images = processes.total(sums)
        logs["val_loss"] = float(total / num_images)
        logs["val_miou"] = mean_iou(counts)
        for name, value in zip(self.class_names, iou_per_class(counts), strict=True):
            logs[IOU + name] = float(value)


def lowest_classes(row: Mapping[str, float], count: int) -> list[tuple[str, float]]:
    """Names and IoU of the classes with the lowest, of an epoch's logs or log.csv.

    Args:
        row: Has `iou/<class>`; a class in neither label nor prediction, NaN, is left
            out.
        count: At most so many, the lowest first.
    """
    found = [
        (name.removeprefix(IOU), float(value))
        for name, value in row.items()
        if name.startswith(IOU) and not math.isnan(value)
    ]
    return sorted(found, key=lambda pair: pair[1])[:count]


class SaveBest(keras.callbacks.Callback):
    """Write model.keras, and note it in run.json, when val mIoU beats all before.

    Args:
        twin: The validated copy of the model; without optimizer and strategy.
        first_epoch: Number, from 0, of the first that may be kept.
        describe: Called with the twin before it is written, to complete its metadata.
    """

    def __init__(
        self,
        folder: RunFolder,
        facts: dict[str, Any],
        twin: keras.Model,
        first_epoch: int = 0,
        describe: Callable[[keras.Model], None] | None = None,
    ):
        super().__init__()
        self.folder = folder
        self.facts = facts
        self.twin = twin
        self.first_epoch = first_epoch
        self.describe = describe

    def on_epoch_end(self, epoch, logs=None):
        if epoch < self.first_epoch:
            return
        best = self.facts["best"]
        if best is None or logs["val_miou"] > best["val_miou"]:
            if self.describe and processes.first():
                self.describe(self.twin)
            save_model(self.twin, self.folder.best)
            self.facts["best"] = {"epoch": epoch + 1, "val_miou": logs["val_miou"]}
            self.folder.write_facts(self.facts)


def patience_is_over(
    recipe: Recipe, facts: Mapping[str, Any], position: Position
) -> bool:
    """Whether a run has had as many epochs without a better mIoU as its recipe allows.

    Args:
        facts: Of run.json, with the best epoch.
    """
    if not recipe.patience or facts["best"] is None or position.mid_epoch:
        return False
    epochs = position.plan.done(position.step)
    return epochs - facts["best"]["epoch"] >= recipe.patience


class Patience(keras.callbacks.Callback):
    """End the run where it is long enough since an epoch was better; after `SaveBest`.

    Args:
        facts: Of run.json, with the best epoch.
    """

    def __init__(self, recipe: Recipe, facts: Mapping[str, Any], position: Position):
        super().__init__()
        self.recipe = recipe
        self.facts = facts
        self.position = position

    def on_epoch_end(self, epoch, logs=None):
        if patience_is_over(self.recipe, self.facts, self.position):
            best = self.facts["best"]
            say(
                f"no epoch was better than epoch {best['epoch']} (mIoU "
                f"{best['val_miou']:.4f}) for {self.recipe.patience}: the run ends"
            )
            self.position.over = self.model.stop_training = True


class SaveSparsity(keras.callbacks.Callback):
    """Write how sparse model.keras is, beside it, when it was written.

    Args:
        twin: What `SaveBest` saves.
    """

    def __init__(self, folder: RunFolder, facts: dict[str, Any], twin: keras.Model):
        super().__init__()
        self.folder = folder
        self.facts = facts
        self.twin = twin

    def on_epoch_end(self, epoch, logs=None):
        best = self.facts["best"]
        if best is not None and best["epoch"] == epoch + 1:
            self.folder.write_sparsity(sparsity(self.twin), best)
