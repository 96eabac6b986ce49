"""The devices that share the batches of a run.

Under TensorFlow they are those of a MirroredStrategy, under JAX those of Keras'
DataParallel, of all processes together.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import keras
import tensorflow as tf

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.training import processes


def scope(devices: int | Sequence[str] | None) -> AbstractContextManager:
    """Context in which the variables of TensorFlow live on each of several devices.

    Args:
        devices: A number of GPUs, or names such as "gpu:0", of each process. None
            takes all GPUs where there are several.

    Raises:
        UserError: More GPUs are asked for than there are.
    """
    if _under_jax():
        return nullcontext()
    used = _chosen(devices)
    if len(used) < 2:
        return tf.device(used[0]) if devices and used else nullcontext()
    # The default reduction of CPUs cannot serve two strategies in one process.
    on_cpu = any("cpu" in name.lower() for name in used)
    reduction = tf.distribute.ReductionToOneDevice() if on_cpu else None
    return tf.distribute.MirroredStrategy(used, cross_device_ops=reduction).scope()


def run_scope(devices: int | Sequence[str] | None) -> AbstractContextManager:
    """Context in which JAX spreads variables and batches, around a whole run.

    Args and Raises: Of `scope`.
    """
    if not _under_jax():
        return nullcontext()
    import jax

    used = _chosen(devices)
    if processes.count() == 1 and len(used) < 2:
        return jax.default_device(_jax_device(used[0])) if used else nullcontext()
    local = [_jax_device(name) for name in used] or jax.local_devices()[:1]
    kind = local[0].platform
    of_kind = [
        jax.local_devices(process, backend=kind) for process in range(processes.count())
    ]
    places = [of_kind[processes.index()].index(device) for device in local]
    everywhere = [f"{kind}:{found[i].id}" for found in of_kind for i in places]
    # The stream of each process makes its own part of a batch alone.
    return keras.distribution.DataParallel(
        devices=everywhere, auto_shard_dataset=False
    ).scope()


def alone() -> AbstractContextManager:
    """Context in which what is built lives on one device, of this process."""
    return _without_distribution() if _under_jax() else nullcontext()


@contextmanager
def _without_distribution() -> Iterator[None]:
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)


def require_even(batch_size: int) -> None:
    """Raise `UserError` unless the devices in scope can share such batches evenly."""
    sharing = _distribution()
    if sharing is None:
        return
    devices = sharing.device_mesh.devices.size
    if batch_size % devices:
        raise UserError(
            "every device takes the same number of a batch's samples: batch_size is "
            f"{batch_size}, and there are {devices} devices in {processes.count()} "
            f"process(es); change --set batch_size=... to a multiple of {devices}."
        )


def leave_gpus_to_jax() -> None:
    """Keep TensorFlow, which makes the batches, from taking the memory of GPUs.

    Raises:
        UserError: It has it already.
    """
    if not _under_jax() or not tf.config.list_physical_devices("GPU"):
        return
    try:
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError as error:
        raise UserError(
            "under JAX TensorFlow only makes the batches: it has taken the GPUs, "
            "whose memory is full then; train in a process that did not use it before."
        ) from error


def names() -> list[str]:
    """The devices of the backend, "GPU: NVIDIA H100" with their kind in front."""
    if _under_jax():
        import jax

        return [f"{d.platform.upper()}: {d.device_kind}" for d in jax.devices()]
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

    Raises:
        UserError: Under JAX, which must be told before it starts.
    """
    if _under_jax():
        raise UserError(
            "deterministic operations are TensorFlow's: the backend is jax; leave out "
            "--deterministic, and set XLA_FLAGS=--xla_gpu_deterministic_ops=true."
        )
    tf.config.experimental.enable_op_determinism()


def several(model: keras.Model) -> bool:
    """Whether the variables of a model live on more than one device."""
    if _under_jax():
        return _distribution() is not None
    return getattr(model.distribute_strategy, "num_replicas_in_sync", 1) > 1


def on_gpu() -> bool:
    """Whether the backend computes on a GPU here."""
    return bool(_gpus())


def peak_gpu_memory() -> int | None:
    """The most bytes that the backend has had at once of one GPU of this process.

    Of several GPUs the fullest counts. None without a GPU, or where the backend does
    not say.
    """
    peaks = [_peak(name) for name in _gpus()]
    return max((peak for peak in peaks if peak is not None), default=None)


def _peak(gpu: str) -> int | None:
    if _under_jax():
        found = _jax_device(gpu).memory_stats() or {}
        return found.get("peak_bytes_in_use")
    try:
        return tf.config.experimental.get_memory_info(gpu.upper())["peak"]
    except (ValueError, KeyError):
        return None


def _under_jax() -> bool:
    return keras.backend.backend() == "jax"


def _distribution():
    return keras.distribution.distribution() if _under_jax() else None


def _chosen(devices: int | Sequence[str] | None) -> list[str]:
    """Names of the devices to use; none where the backend takes its own."""
    gpus = _gpus()
    if devices is None:
        return gpus
    if not isinstance(devices, int):
        return list(devices)
    if not 1 <= devices <= max(len(gpus), 1):
        raise UserError(
            f"a run uses the GPUs there are, at least one: {devices} asked for, "
            f"{len(gpus)} found; change --devices or leave it out."
        )
    return gpus[:devices]


def _gpus() -> list[str]:
    """Names of the GPUs of this process, by their place in it."""
    if _under_jax():
        import jax

        found = jax.local_devices()
        return [f"gpu:{i}" for i, d in enumerate(found) if d.platform == "gpu"]
    return [f"gpu:{i}" for i in range(len(tf.config.list_logical_devices("GPU")))]


def _jax_device(name: str):
    """The device of this process that has a name."""
    import jax

    kind, _, place = name.lower().partition(":")
    return jax.local_devices(backend=kind)[int(place or 0)]
