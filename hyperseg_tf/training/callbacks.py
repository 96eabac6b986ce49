"""What happens around the steps of a training run, one class per concern.

Order matters: `Validation` and `Measure` complete the logs that the others read, and
`SaveLatest` comes last, since its file declares the epoch done.
"""

import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.evaluation.metrics import ConfusionMatrix, iou_per_class, mean_iou
from hyperseg_tf.training.run_folder import RunFolder, save_model

IOU = "iou/"


class Position(keras.callbacks.Callback):
    """Count optimizer steps from `step`; the other callbacks ask this one.

    The optimizer's own counter is not read while training: under a distribution
    strategy that costs a transfer per step.
    """

    def __init__(self, step: int, steps_per_epoch: int):
        super().__init__()
        self.step = step
        self.steps_per_epoch = steps_per_epoch

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1

    @property
    def mid_epoch(self) -> bool:
        """Whether some but not all steps of an epoch are done."""
        return self.step % self.steps_per_epoch != 0


class Announce(keras.callbacks.Callback):
    """Say on stderr why nothing seems to happen before the first step is done."""

    def __init__(self):
        super().__init__()
        self.start = None

    def on_train_begin(self, logs=None):
        if self.start is None:
            self.start = time.perf_counter()
            say("tracing the first step; this takes up to a minute ...")

    def on_train_batch_end(self, batch, logs=None):
        if self.start:
            say(f"first step done after {time.perf_counter() - self.start:.0f} s")
            self.start = 0


class DropoutSeeds(keras.callbacks.Callback):
    """Derive the state of every seed generator from (seed, step).

    Keras does not save these states. A generator that is drawn from once per step
    counts the steps by itself, so that setting them at the start of `fit` and of
    each epoch makes a resumed run draw what the uninterrupted one would have drawn.
    """

    def __init__(self, seed: int, position: Position):
        super().__init__()
        self.seed = seed
        self.position = position

    def on_epoch_begin(self, epoch, logs=None):
        generators = [
            v for v in self.model.variables if v.name == "seed_generator_state"
        ]
        for index, state in enumerate(generators):
            key = np.random.SeedSequence([self.seed, index]).generate_state(1)[0]
            # Half the range: a signed state on some devices must hold it.
            state.assign(np.array([key >> 1, self.position.step], "uint32"))


class FiniteLoss(keras.callbacks.Callback):
    """Stop where the loss is NaN or infinite; nothing of that step is saved."""

    def __init__(self, position: Position, folder: RunFolder):
        super().__init__()
        self.position = position
        self.folder = folder

    def on_train_batch_end(self, batch, logs=None):
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            latest = self.folder.latest
            kept = f"{latest} is kept" if latest.exists() else "nothing was saved yet"
            raise UserError(
                f"the loss must stay finite: it is {loss} at step "
                f"{self.position.step}; try a learning rate of a third (--set "
                f"learning_rate=...) with --fresh or another --out; {kept}."
            )


class Validation(keras.callbacks.Callback):
    """Score a copy of the model on the validation samples after each epoch.

    Adds `val_loss`, `val_miou` and `iou/<class>` to the epoch's logs. The copy lives
    outside any distribution strategy: shared between devices, an incomplete last
    batch can leave one of them without a sample, which batch norm does not survive.

    Args:
        twin: The same network as the one trained, not compiled.
        batches: (images (B, H, W, 3) float32, labels (B, H, W) uint8).
        loss: Mean over the images of a batch of a loss on (labels, logits).
        class_names: One per class.
    """

    def __init__(self, twin: keras.Model, batches, loss, class_names: Sequence[str]):
        super().__init__()
        import tensorflow as tf

        self.twin = twin
        self.batches = batches
        self.class_names = tuple(class_names)
        self.matrix = ConfusionMatrix(len(self.class_names))
        self.predict = tf.function(
            lambda images: twin(images, training=False), reduce_retracing=True
        )

        @tf.function(reduce_retracing=True)
        def score(images, labels):
            logits = self.predict(images)
            self.matrix.update_state(labels, logits)
            return loss(labels, logits)

        self.score = score

    def on_epoch_end(self, epoch, logs=None):
        self.twin.set_weights(self.model.get_weights())
        self.matrix.reset_state()
        total = num_images = 0.0
        for images, labels in self.batches:
            num_images += len(images)
            total += len(images) * float(self.score(images, labels))
        counts = self.matrix.counts()
        logs["val_loss"] = total / num_images
        logs["val_miou"] = mean_iou(counts)
        for name, value in zip(self.class_names, iou_per_class(counts), strict=True):
            logs[IOU + name] = float(value)


class Measure(keras.callbacks.Callback):
    """Add rate and speed to an epoch's logs.

    Adds `lr` (of the last step), `images_per_s` (training alone, without the first
    step, which traces) and `seconds` (all of the epoch, validation included).
    """

    def __init__(
        self, position: Position, schedule: Callable[[int], Any], batch_size: int
    ):
        super().__init__()
        self.position = position
        self.schedule = schedule
        self.batch_size = batch_size
        self.traced = False

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch_start = self.train_start = self.train_end = time.perf_counter()
        self.num_steps = 0

    def on_train_batch_end(self, batch, logs=None):
        self.train_end = time.perf_counter()
        if self.traced:
            self.num_steps += 1
        else:
            self.train_start = self.train_end
            self.traced = True

    def on_epoch_end(self, epoch, logs=None):
        seconds = self.train_end - self.train_start
        images = self.num_steps * self.batch_size
        logs["lr"] = float(ops.convert_to_numpy(self.schedule(self.position.step - 1)))
        logs["images_per_s"] = images / seconds if seconds > 0 else math.nan
        logs["seconds"] = time.perf_counter() - self.epoch_start


class EpochLine(keras.callbacks.Callback):
    """One line per epoch on stderr; beside a bar it tells the validation's scores."""

    def __init__(self, num_epochs: int):
        super().__init__()
        self.num_epochs = num_epochs

    def on_epoch_end(self, epoch, logs=None):
        say(
            f"epoch {epoch + 1}/{self.num_epochs}  loss {logs['loss']:.4f}  "
            f"val_loss {logs['val_loss']:.4f}  val_miou {logs['val_miou']:.4f}  "
            f"lr {logs['lr']:.2e}  {logs['images_per_s']:.1f} images/s  "
            f"{logs['seconds']:.0f} s"
        )


class SaveBest(keras.callbacks.Callback):
    """Write model.keras, and note it in run.json, when val mIoU beats all before.

    Args:
        twin: The validated copy of the model; without optimizer and strategy.
    """

    def __init__(self, folder: RunFolder, facts: dict[str, Any], twin: keras.Model):
        super().__init__()
        self.folder = folder
        self.facts = facts
        self.twin = twin

    def on_epoch_end(self, epoch, logs=None):
        best = self.facts["best"]
        if best is None or logs["val_miou"] > best["val_miou"]:
            save_model(self.twin, self.folder.best)
            self.facts["best"] = {"epoch": epoch + 1, "val_miou": logs["val_miou"]}
            self.folder.write_facts(self.facts)


class CsvLog(keras.callbacks.Callback):
    """Write log.csv: one row per epoch, those after the resumed step dropped."""

    def __init__(self, folder: RunFolder, position: Position):
        super().__init__()
        self.folder = folder
        self.position = position
        self.rows = [row for row in folder.read_log() if row["step"] <= position.step]

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch + 1, "step": self.position.step}
        row |= {name: float(value) for name, value in logs.items()}
        self.rows.append(row)
        self.folder.write_log(self.rows)


class Curve(keras.callbacks.Callback):
    """Draw curve.png from the rows of the log."""

    def __init__(self, log: CsvLog, folder: RunFolder):
        super().__init__()
        self.log = log
        self.folder = folder

    def on_epoch_end(self, epoch, logs=None):
        from hyperseg_tf.training.curve import draw_curve

        draw_curve(self.log.rows, self.folder.curve)


class Overlays(keras.callbacks.Callback):
    """Draw a few fixed validation samples: image, label, prediction, legend.

    Args:
        predict: (1, H, W, 3) float32 normalised -> logits (1, H, W, classes).
        samples: (image (H, W, 3) float32 normalised, label (H, W) uint8) each.

    `picture` is the newest one, uint8 (H', W', 3).
    """

    def __init__(self, folder: RunFolder, predict, samples, class_names, colours):
        super().__init__()
        self.folder = folder
        self.predict = predict
        self.samples = samples
        self.class_names = class_names
        self.colours = colours
        self.picture = None

    def on_epoch_end(self, epoch, logs=None):
        from PIL import Image

        from hyperseg_tf.base.atomic import atomic_file
        from hyperseg_tf.visualise import with_legend

        rows = [self._row(image, label) for image, label in self.samples]
        width = max(row.shape[1] for row in rows)
        rows = [np.pad(r, ((0, 4), (0, width - r.shape[1]), (0, 0))) for r in rows]
        picture = with_legend(np.concatenate(rows), self.class_names, self.colours)
        with atomic_file(self.folder.overlays / f"epoch_{epoch + 1:04d}.png") as path:
            Image.fromarray(picture).save(path)
        self.picture = picture

    def _row(self, image, label):
        from hyperseg_tf.base.constants import IMAGENET_MEAN, IMAGENET_STD
        from hyperseg_tf.visualise import overlay

        logits = ops.convert_to_numpy(self.predict(image[None]))[0]
        shown = 255 * (image * np.array(IMAGENET_STD) + np.array(IMAGENET_MEAN))
        shown = np.clip(np.round(shown), 0, 255).astype("uint8")
        prediction = logits.argmax(-1).astype("uint8")
        parts = [shown]
        parts += [overlay(shown, x, self.colours) for x in (label, prediction)]
        return np.concatenate(parts, axis=1)


class TensorBoardLog(keras.callbacks.Callback):
    """Write the logs of each epoch, and the overlays, for TensorBoard."""

    def __init__(self, folder: RunFolder, overlays: Overlays | None):
        super().__init__()
        self.folder = folder
        self.overlays = overlays
        self.writer = None

    def on_epoch_end(self, epoch, logs=None):
        import tensorflow as tf

        if self.writer is None:
            self.writer = tf.summary.create_file_writer(str(self.folder.tensorboard))
        with self.writer.as_default(step=epoch + 1):
            for name, value in logs.items():
                tf.summary.scalar(name, value)
            if self.overlays is not None:
                tf.summary.image("validation", self.overlays.picture[None])
        self.writer.flush()


class SaveLatest(keras.callbacks.Callback):
    """Write latest.keras, weights and optimizer, after each epoch."""

    def __init__(self, folder: RunFolder):
        super().__init__()
        self.folder = folder

    def on_epoch_end(self, epoch, logs=None):
        self.save()

    def save(self) -> None:
        """Write the state as it is now."""
        save_model(self.model, self.folder.latest)


class Interruption(keras.callbacks.Callback):
    """Turn Ctrl-C into a stop between two steps, with everything saved.

    A first Ctrl-C waits for the end of the step or, in a validation, for the end of
    the epoch; a second one stops at once. Use as a context around `fit`. Elsewhere
    than in the main thread, where Python has no signals, it does nothing.
    """

    def __init__(self, position: Position, latest: SaveLatest):
        super().__init__()
        self.position = position
        self.latest = latest
        self.requested = False

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self.previous = signal.signal(signal.SIGINT, self._request)
        return self

    def __exit__(self, *_):
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self.previous)

    def on_train_batch_end(self, batch, logs=None):
        # At the last step of an epoch the validation still belongs to the state.
        if self.requested and self.position.mid_epoch:
            self.latest.save()
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch, logs=None):
        if self.requested:
            raise KeyboardInterrupt

    def _request(self, number, frame):
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        say("\nstopping after this step; Ctrl-C again stops at once, unsaved")


def say(text: str) -> None:
    """Print progress, which goes to stderr."""
    print(text, file=sys.stderr, flush=True)
