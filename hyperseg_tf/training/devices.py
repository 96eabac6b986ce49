"""The devices that share the batches of a run."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import keras
import tensorflow as tf

from hyperseg_tf.base.errors import UserError


def scope(devices: int | Sequence[str] | None) -> AbstractContextManager:
    """Context in which variables live on every one of several devices.

    Args:
        devices: A number of GPUs, or names such as "gpu:0". None takes all GPUs
            where there are several.

    Raises:
        UserError: More GPUs are asked for than there are.
    """
    gpus = [f"gpu:{i}" for i in range(len(tf.config.list_logical_devices("GPU")))]
    if devices is None:
        names = gpus
    elif isinstance(devices, int):
        if not 1 <= devices <= max(len(gpus), 1):
            raise UserError(
                f"a run uses the GPUs there are, at least one: {devices} asked for, "
                f"{len(gpus)} found; change --devices or leave it out."
            )
        names = gpus[:devices]
    else:
        names = list(devices)
    if len(names) < 2:
        return tf.device(names[0]) if devices and names else nullcontext()
    # The default reduction of CPUs cannot serve two strategies in one process.
    on_cpu = any("cpu" in name.lower() for name in names)
    reduction = tf.distribute.ReductionToOneDevice() if on_cpu else None
    return tf.distribute.MirroredStrategy(names, cross_device_ops=reduction).scope()


def several(model: keras.Model) -> bool:
    """Whether the variables of a model live on more than one device."""
    return getattr(model.distribute_strategy, "num_replicas_in_sync", 1) > 1


def on_gpu() -> bool:
    """Whether TensorFlow computes on a GPU here."""
    return bool(tf.config.list_logical_devices("GPU"))
