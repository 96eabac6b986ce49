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
        used = gpus
    elif isinstance(devices, int):
        if not 1 <= devices <= max(len(gpus), 1):
            raise UserError(
                f"a run uses the GPUs there are, at least one: {devices} asked for, "
                f"{len(gpus)} found; change --devices or leave it out."
            )
        used = gpus[:devices]
    else:
        used = list(devices)
    if len(used) < 2:
        return tf.device(used[0]) if devices and used else nullcontext()
    # The default reduction of CPUs cannot serve two strategies in one process.
    on_cpu = any("cpu" in name.lower() for name in used)
    reduction = tf.distribute.ReductionToOneDevice() if on_cpu else None
    return tf.distribute.MirroredStrategy(used, cross_device_ops=reduction).scope()


def names() -> list[str]:
    """The devices that TensorFlow sees, "GPU: NVIDIA H100" with their kind in front."""
    found = []
    for device in tf.config.get_visible_devices():
        details = tf.config.experimental.get_device_details(device)
        found.append(f"{device.device_type}: {details.get('device_name', device.name)}")
    return found


def make_deterministic() -> None:
    """Take operations that give the same bits in every run, from now on.

    On a CPU they do so anyway, with the same number of threads. On a GPU some are
    slower, and what has no such form raises an error where it runs. TensorFlow has no
    way back: this is for the whole process.
    """
    tf.config.experimental.enable_op_determinism()


def several(model: keras.Model) -> bool:
    """Whether the variables of a model live on more than one device."""
    return getattr(model.distribute_strategy, "num_replicas_in_sync", 1) > 1


def on_gpu() -> bool:
    """Whether TensorFlow computes on a GPU here."""
    return bool(tf.config.list_logical_devices("GPU"))
