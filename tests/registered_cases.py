"""Every registered class with arguments off their defaults, and how it is called."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from hyperseg_tf import presets
from hyperseg_tf.training.optimizer import PartedAdam
from hyperseg_tf.training.schedules import PolyDecay


@dataclass(frozen=True)
class LayerCase:
    """A layer, and how it is called.

    Attributes:
        arguments: Of the constructor.
        shapes: Of the inputs, images and weights alike.
        call: Calls a layer with a list of tensors.
        known: Inputs whose height and width have to be known in a graph.
        no_half: Why another precision is not asked of the layer itself.
        slow: Left to the slow tests; the config is looked at all the same.
    """

    arguments: dict
    shapes: tuple
    call: Callable = lambda layer, tensors: layer(*tensors)
    known: tuple[int, ...] = ()
    no_half: str = ""
    slow: bool = False


def _list(layer, tensors):
    return layer(tensors)


def _level_from_signal(layer, tensors):
    *inputs, signal, kernel = tensors
    return layer(inputs, signal=signal, kernel=kernel)


def _head_and_kernel(layer, tensors):
    return layer(*tensors, return_kernel=True)


_TINY = presets.get("hyperseg_tiny").to_dict()
_WHOLE_MODEL = "its layers take the global policy: see the test of mixed precision"
_X = (2, 6, 10, 5)

LAYERS = {
    "BatchNorm": {
        "": LayerCase({"momentum": 0.7, "epsilon": 1e-2}, (_X,)),
    },
    "BilinearUpsample": {
        "": LayerCase({}, ((2, 7, 3, 5),)),
        "one_pixel": LayerCase({}, ((1, 1, 1, 2),)),
    },
    "CropToImage": {
        "": LayerCase({}, ((2, 8, 12, 5), (2, 7, 9, 3)), _list),
    },
    "DPWConv": {
        "": LayerCase({"filters": 4, "kernel_size": 3}, (_X, (2, 3, 2, 180)), _list),
        "other": LayerCase(
            {
                "filters": 6,
                "kernel_size": 5,
                "groups": 2,
                "padding": "circular",
                "halo": "neighbour",
                "remainder": "zero",
                "implementation": "einsum",
            },
            ((1, 7, 9, 4), (1, 3, 2, 300)),
            _list,
        ),
    },
    "Fuse": {
        "": LayerCase({}, ((2, 6, 10, 3), (2, 3, 5, 4)), _list),
        "coarsest": LayerCase({"positions": False}, ((2, 7, 3, 5),), _list),
    },
    "GlobalContext": {
        "": LayerCase({}, ((2, 7, 3, 5),)),
    },
    "HyperSeg": {
        "": LayerCase(
            {
                "preset": _TINY,
                "implementation": "slices",
                "metadata": {"classes": [*"abcdefghijk"]},
            },
            ((1, 33, 50, 3),),
            no_half=_WHOLE_MODEL,
            slow=True,
        ),
        "folded": LayerCase(
            {"preset": _TINY, "implementation": "einsum", "folded": True},
            ((1, 33, 50, 3),),
            no_half=_WHOLE_MODEL,
            slow=True,
        ),
    },
    "Level": {
        # 4 filters over 2 coordinates, 5 and 3 channels.
        "pointwise": LayerCase(
            {"filters": 4}, (_X, (2, 3, 5, 3), (2, 3, 2, 40)), _list
        ),
        # 7 to 14 channels, 9 depthwise, 14 to 7: the residual is added.
        "residual": LayerCase(
            {"filters": 7, "kernel_size": 3, "implementation": "slices"},
            (_X, (2, 3, 2, 98 + 126 + 98)),
            _list,
        ),
        "from_signal": LayerCase(
            {
                "filters": 4,
                "kernel_size": 3,
                "start": 5,
                "groups": 2,
                "offset": 4,
                "expand_ratio": 3,
                "halo": "neighbour",
                "padding": "circular",
                "positions": False,
            },
            (_X, (2, 3, 5, 3), (2, 3, 2, 510), (2, 3, 2, 12), (4, 510)),
            _level_from_signal,
        ),
        "folded": LayerCase(
            {
                "filters": 4,
                "kernel_size": 5,
                "folded": True,
                "implementation": "einsum",
            },
            (_X, (2, 3, 2, 98 + 350 + 56)),
            _list,
        ),
    },
    "MobileBottleneck": {
        "": LayerCase(
            {"filters": 5, "kernel_size": 3, "expansion": 2, "squeezed": 2}, (_X,)
        ),
        "lite": LayerCase(
            {
                "filters": 5,
                "kernel_size": 3,
                "expansion": 2,
                "squeezed": 0,
                "activation": "relu6",
            },
            (_X,),
        ),
        "stride": LayerCase(
            {
                "filters": 7,
                "kernel_size": 5,
                "expansion": 1,
                "squeezed": 3,
                "strides": 2,
                "borders": (1, 2),
                "implementation": "slices",
            },
            ((2, 8, 11, 5),),
        ),
    },
    "NearestUpsample": {
        "": LayerCase({}, ((2, 7, 3, 5),)),
    },
    "PadToMultiple": {
        "": LayerCase({"multiple": 48}, ((1, 33, 97, 3),)),
    },
    "PyramidPool": {
        "": LayerCase({"bins": 3}, ((2, 7, 10, 5),)),
        "larger_than_the_map": LayerCase({"bins": 6}, ((1, 5, 1, 2),)),
    },
    "PyramidSpread": {
        "": LayerCase({}, ((2, 3, 3, 5), (2, 7, 10, 4)), _list, known=(0,)),
    },
    "ReflectPad": {
        "": LayerCase({"amount": 2}, ((2, 7, 3, 5),)),
    },
    "WeightHead": {
        "": LayerCase(
            {"units": 7, "groups": 2, "offset": 3, "channels": 4}, ((2, 3, 5, 9),)
        ),
        "with_kernel": LayerCase(
            {
                "units": 10,
                "groups": 4,
                "offset": 0,
                "channels": 8,
                "fan_ins": ((4, 2), (6, 3)),
            },
            ((2, 3, 5, 9),),
            _head_and_kernel,
        ),
    },
}


def _loss(loss):
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, (2, 5, 7))
    return float(loss(labels, rng.normal(size=(2, 5, 7, 4)).astype("float32")))


def _steps(optimizer):
    variables = [keras.Variable([1.0, -1.0]), keras.Variable([[2.0]])]
    for value in (3.0, -1.0):
        gradients = [value * keras.ops.ones(v.shape) for v in variables]
        optimizer.apply(gradients, variables)
    return np.concatenate([np.asarray(v).ravel() for v in variables])


def _counts(metric):
    rng = np.random.default_rng(3)
    metric.update_state(rng.integers(0, 4, (2, 5, 7)), rng.integers(0, 4, (2, 5, 7)))
    return metric.result()


_OF_BATCH = {"void": 3, "reduction": "sum", "dtype": "bfloat16"}

# Arguments off their defaults, and the values that must not change.
OTHERS = {
    "BootstrappedCrossEntropy": (
        {
            "k": 5,
            "threshold": 1.5,
            "void": 3,
            "released_arithmetic": True,
            "class_weights": (1.0, 0.5, 0.0, 2.0),
            "reduction": "sum",
            "dtype": "bfloat16",
        },
        _loss,
    ),
    "CrossEntropy": ({"class_weights": (1.0, 0.5, 0.0, 2.0), **_OF_BATCH}, _loss),
    "Dice": ({"smooth": 0.5, **_OF_BATCH}, _loss),
    "Focal": (
        {"gamma": 1.5, "class_weights": (1.0, 0.5, 0.0, 2.0), **_OF_BATCH},
        _loss,
    ),
    "LovaszSoftmax": (_OF_BATCH, _loss),
    "OnlineHardExamples": (
        {
            "k": 5,
            "probability": 0.4,
            "class_weights": (1.0, 0.5, 0.0, 2.0),
            **_OF_BATCH,
        },
        _loss,
    ),
    "WeightedSum": (
        {
            "losses": [keras.losses.serialize(keras.losses.Hinge())],
            "factors": (0.5,),
            "reduction": "sum",
            "dtype": "bfloat16",
        },
        lambda loss: float(loss.factors[0]),
    ),
    "ConfusionMatrix": ({"num_classes": 4, "void": 2}, _counts),
    "HyperFanIn": (
        {"fan_ins": ((4, 2), (6, 3)), "seed": 5},
        lambda draw: draw((3, 12), "float32"),
    ),
    "PartedAdam": (
        {
            "learning_rate": 0.25,
            "part": (1,),
            "part_rate": 0.5,
            "frozen_steps": 1,
            "beta_1": 0.5,
            "global_clipnorm": 2.0,
            "use_ema": True,
        },
        _steps,
    ),
    "ScaledLoss": (
        {
            "inner_optimizer": keras.saving.serialize_keras_object(PartedAdam(0.5)),
            "initial_scale": 4.0,
            "dynamic_growth_steps": 2,
        },
        _steps,
    ),
    "Staged": (
        {
            "parts": [
                (0, 0, PolyDecay(0.3, 0.9, 70, every=2).get_config()),
                (9, 5, PolyDecay(0.2, 2.0, 30).get_config()),
            ],
            "warmup": 4,
        },
        lambda rate: [float(rate(step)) for step in (0, 2, 8, 9, 20, 80)],
    ),
    "PolyDecay": (
        {"initial": 0.3, "power": 0.9, "steps": 70, "every": 8, "warmup": 9},
        lambda rate: [float(rate(step)) for step in (0, 7, 13, 69, 80)],
    ),
}
