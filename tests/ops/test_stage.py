import keras
import numpy as np
import pytest
import tensorflow as tf

from hyperseg_tf import HyperSeg
from hyperseg_tf.network.decoder import Level
from hyperseg_tf.ops import choice, fused, slices
from hyperseg_tf.ops.normalise import normalise_batch
from hyperseg_tf.training.losses import BootstrappedCrossEntropy
from tests.calibrated import pictures

pytestmark = pytest.mark.ops

EPSILON = 1e-5


def tensors(count, size, channels, filters, kernel_size, seed=0):
    """Of x, gamma, beta, kernels: values on both sides of 0 and of 6."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return tf.constant(rng.normal(size=shape), tf.float32)

    kernels = (
        (filters, channels) if kernel_size == 1 else (channels, *[kernel_size] * 2)
    )
    x = 3 * normal(count, *size, channels) + 2
    return x, 2 + normal(channels), 3 + normal(channels), normal(count, *kernels)


def staged(x, gamma, beta, kernels):
    filters, size = (
        kernels.shape[1],
        1 if len(kernels.shape) == 3 else kernels.shape[-1],
    )
    flat = tf.reshape(kernels, (kernels.shape[0], -1))
    return fused.stage(x, gamma, beta, flat, filters, size, EPSILON)


def plain(x, gamma, beta, kernels):
    y, mean, variance = normalise_batch(x, gamma, beta, EPSILON)
    convolve = slices.pointwise if len(kernels.shape) == 3 else slices.depthwise
    return convolve(tf.nn.relu6(y), kernels), mean, variance


def run(function, inputs):
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y, mean, variance = function(*inputs)
        total = tf.reduce_sum(tf.sin(y))
    return y, mean, variance, *tape.gradient(total, inputs)


# Fewer channels than a vector has, whole vectors, and a rest.
@pytest.mark.parametrize("channels", [1, 7, 8, 13, 44])
@pytest.mark.parametrize(("kernel_size", "filters"), [(1, 5), (1, 17), (3, 0), (5, 0)])
def test_a_stage_and_its_gradients_are_those_of_the_plain_operations(
    channels, kernel_size, filters
):
    for count, size in ((1, (5, 7)), (6, (9, 6)), (3, (kernel_size, 1 + kernel_size))):
        inputs = tensors(count, size, channels, filters or channels, kernel_size)
        names = ("y", "mean", "variance", "x", "gamma", "beta", "kernels")
        wanted = run(plain, inputs)
        # A sum over all pixels may be smaller than its terms.
        scale = max(1.0, *(float(np.abs(want).max()) for want in wanted))
        for name, found, want in zip(names, run(staged, inputs), wanted, strict=True):
            np.testing.assert_allclose(
                found, want, rtol=1e-4, atol=3e-5 * scale, err_msg=f"{name} {size}"
            )


def test_statistics_far_from_zero_are_exact():
    rng = np.random.default_rng(0)
    x = (1000 + rng.normal(size=(7, 6, 5, 9))).astype("float32")
    kernels = tf.ones((7, 9 * 2))
    _, mean, variance = fused.stage(x, tf.ones(9), tf.zeros(9), kernels, 2, 1, EPSILON)
    exact = x.astype("float64")
    np.testing.assert_allclose(mean, exact.mean((0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(variance, exact.var((0, 1, 2), ddof=1), rtol=1e-4)


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_gradients_are_those_of_double_precision(kernel_size):
    # The stock normalization rounds so that pixels near 0 and 6 change sides: its
    # gradients are wrong by up to a thousandth. Here is what a stage must keep.
    inputs = tensors(20, (12, 12), 13, 13, kernel_size)
    rng = np.random.default_rng(1)
    side = 13 - kernel_size
    upstream = rng.normal(size=(20, side, side, 13))

    def exact(x, gamma, beta, kernels):
        mean, variance = tf.nn.moments(x, [0, 1, 2])
        y = (x - mean) * tf.math.rsqrt(variance + np.float64(EPSILON)) * gamma + beta
        convolve = slices.pointwise if kernel_size == 1 else slices.depthwise
        return convolve(tf.nn.relu6(y), kernels)

    results = []
    for function, dtype in ((lambda *i: staged(*i)[0], "float32"), (exact, "float64")):
        values = [tf.cast(value, dtype) for value in inputs]
        with tf.GradientTape() as tape:
            tape.watch(values)
            y = function(*values)
        factors = tf.constant(upstream, dtype)
        results.append([y, *tape.gradient(y, values, output_gradients=factors)])
    for found, want in zip(*results, strict=True):
        error = np.linalg.norm(np.asarray(found, "float64") - want)
        assert error <= 2e-6 * np.linalg.norm(want)


def test_the_same_bits_come_out_every_time():
    inputs = tensors(50, (10, 10), 20, 20, 3)
    first = run(staged, inputs)
    for _ in range(3):
        for found, want in zip(run(staged, inputs), first, strict=True):
            np.testing.assert_array_equal(found, want)


def test_a_single_pixel_has_no_variance_and_passes_no_gradient():
    inputs = tensors(1, (1, 1), 3, 2, 1)
    _, mean, variance, gradient, *_ = run(staged, inputs)
    np.testing.assert_array_equal(mean, inputs[0][0, 0, 0])
    np.testing.assert_array_equal(variance, np.zeros(3))
    np.testing.assert_allclose(gradient, np.zeros((1, 1, 1, 3)), atol=1e-3)


def test_no_patches_give_no_output_and_no_gradient():
    y, mean, _, *gradients = run(staged, tensors(0, (4, 5), 3, 3, 3))
    assert y.shape == (0, 2, 3, 3) and np.isfinite(mean).all()
    assert all(np.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"x": (2, 4, 5)}, "x must have 4 dimensions"),
        ({"x": (2, 4, 2, 7)}, "must fit in the patch: got 3 and 4x2"),
        ({"gamma": (6,)}, "gamma must have the shape"),
        ({"kernels": (2, 62)}, "kernels must have the shape"),
        ({"kernels": (3, 63)}, "kernels must have the shape"),
        ({"filters": 8}, "as many filters as channels: got 8 and 7"),
        ({"kernel_size": 2}, "must be odd"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(changes, rule):
    sizes = {"x": (2, 4, 5, 7), "gamma": (7,), "beta": (7,), "kernels": (2, 63)}
    inputs = [tf.zeros(changes.get(name, size)) for name, size in sizes.items()]
    options = {"filters": 7, "kernel_size": 3}
    options |= {k: v for k, v in changes.items() if k in options}
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError), match=rule):
        fused.stage(*inputs, epsilon=EPSILON, **options)


def test_unknown_sizes_stay_unknown_in_a_graph():
    specs = [tf.TensorSpec(shape) for shape in ((None, None, 9, 7), 7, 7, (None, 63))]
    graph = tf.function(
        lambda *inputs: fused.stage(*inputs, 7, 3, EPSILON), input_signature=specs
    ).get_concrete_function()
    assert graph.output_shapes[0].as_list() == [None, None, 7, 7]


@pytest.mark.slow
def test_training_a_model_fused_is_training_it_as_specified():
    keras.utils.set_random_seed(0)
    images = pictures(2, 70, 96)
    labels = np.random.default_rng(0).integers(0, 11, (2, 70, 96))
    loss = BootstrappedCrossEntropy(k=500)
    fused_model = HyperSeg.from_preset("hyperseg_tiny", implementation="fused")
    results = []
    for model in (fused_model, fused_model.with_implementation("einsum")):
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0
        with tf.GradientTape() as tape:
            value = loss(labels, model(images, training=True))
        gradients = tape.gradient(value, [v.value for v in model.trainable_variables])
        results.append((float(value), gradients, model))
    (found, gradients, _), (want, wanted, specification) = results
    np.testing.assert_allclose(found, want, rtol=1e-5)
    whole = np.sqrt(sum(float(tf.reduce_sum(g**2)) for g in wanted))
    for variable, a, b in zip(
        specification.trainable_variables, gradients, wanted, strict=True
    ):
        size = float(tf.norm(b)) + 1e-4 * whole
        assert float(tf.norm(a - b)) <= 5e-3 * size, variable.path
    for a, b in zip(
        fused_model.non_trainable_variables,
        specification.non_trainable_variables,
        strict=True,
    ):
        if a.dtype == "float32":
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=a.path)


@pytest.mark.slow
def test_16_bit_maps_train_by_the_plain_operations():
    rng = np.random.default_rng(0)
    channels, hidden, filters = 5, 10, 3
    units = hidden * channels + hidden * 9 + filters * hidden
    x = rng.normal(size=(1, 6, 9, channels - 2))
    weights = rng.normal(size=(1, 2, 3, units)) / 3
    outputs = []
    for dtype in ("float32", "bfloat16"):
        level = Level(filters, 3, implementation="fused", dtype=dtype)
        inputs = [tf.cast(x, dtype), tf.cast(weights, dtype)]
        outputs.append(tf.cast(level(inputs, training=True), "float32"))
    assert float(tf.reduce_mean(tf.abs(outputs[1] - outputs[0]))) < 0.1


def test_training_takes_xla_where_there_is_a_gpu(monkeypatch):
    monkeypatch.delenv(choice.ENVIRONMENT, raising=False)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["one"])
    monkeypatch.setattr(choice, "_no_fused", lambda: "")
    assert choice.resolve("auto", training=True) == "xla"
    assert choice.resolve("auto") == "fused"
