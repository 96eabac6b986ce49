from contextlib import nullcontext

import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.training import devices
from hyperseg_tf.training.devices import scope
from tests.training.tiny_run import assert_same_run, on_two_devices


@pytest.fixture
def gpus(monkeypatch):
    """Pretend that there are so many GPUs, and return what a strategy is asked for."""
    asked = []

    class Strategy:
        def __init__(self, names, cross_device_ops):
            asked.append((names, cross_device_ops))

        def scope(self):
            return nullcontext()

    def pretend(count):
        monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [0] * count)
        monkeypatch.setattr(tf.distribute, "MirroredStrategy", Strategy)
        return asked

    return pretend


@pytest.mark.parametrize("count", [0, 1])
def test_without_a_choice_one_device_is_where_it_is(count, gpus):
    asked = gpus(count)
    assert isinstance(scope(None), nullcontext)
    assert asked == []


def test_all_gpus_share_a_batch_where_there_are_several(gpus):
    asked = gpus(3)
    scope(None)
    scope(2)
    assert asked == [(["gpu:0", "gpu:1", "gpu:2"], None), (["gpu:0", "gpu:1"], None)]


def test_one_named_device_holds_the_variables():
    with scope(["cpu:0"]):
        assert tf.Variable(1.0).device.lower().endswith("cpu:0")


def test_several_cpus_have_a_reduction_of_their_own(gpus):
    asked = gpus(0)
    scope(["cpu:0", "cpu:1"])
    ((names, reduction),) = asked
    assert names == ["cpu:0", "cpu:1"]
    assert isinstance(reduction, tf.distribute.ReductionToOneDevice)


@pytest.mark.parametrize("count, devices", [(0, 2), (2, 3), (2, 0), (0, -1)])
def test_devices_that_are_not_there_are_refused(count, devices, gpus):
    gpus(count)
    with pytest.raises(UserError, match=f"{devices} asked for, {count} found"):
        scope(devices)


def test_one_gpu_may_be_asked_for_where_there_is_none(gpus):
    gpus(0)
    assert isinstance(scope(1), nullcontext)


@pytest.mark.parametrize("size, fits", [(6, True), (7, False)])
def test_devices_of_jax_share_a_batch_evenly(size, fits, monkeypatch):
    class Sharing:
        class device_mesh:
            devices = np.zeros(3)

    monkeypatch.setattr(devices, "_distribution", Sharing)
    if fits:
        devices.require_even(size)
    else:
        with pytest.raises(UserError, match="to a multiple of 3"):
            devices.require_even(size)


@pytest.mark.slow
def test_accumulating_on_several_devices_is_refused(data, tmp_path):
    done = on_two_devices(
        f"""
from hyperseg_tf.base.errors import UserError
try:
    train(recipe(accumulate=2), {str(data)!r}, {str(tmp_path / "run")!r},
          devices=devices, build=build)
except UserError as error:
    print(error)
"""
    )
    assert "gradients are accumulated on one device: got accumulate=2" in done.stdout
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_two_deterministic_runs_end_with_the_same_bits(data, tmp_path):
    code = "train(recipe(epochs=1), {!r}, {!r}, deterministic=True, build=build)"
    for name in "ab":
        on_two_devices(code.format(str(data), str(tmp_path / name)))
    assert_same_run(tmp_path / "a", tmp_path / "b")
