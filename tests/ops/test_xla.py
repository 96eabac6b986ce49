import numpy as np
import tensorflow as tf

from hyperseg_tf.ops import slices, xla


def _case():
    rng = np.random.default_rng(0)
    patches = rng.normal(size=(5, 6, 9, 3)).astype("float32")
    kernels = rng.normal(size=(5, 3, 3, 3)).astype("float32")
    return tf.constant(patches), tf.constant(kernels)


def test_the_written_out_depthwise_gradient_is_the_automatic_one():
    patches, kernels = _case()
    gradients = []
    for module in (slices, xla):
        with tf.GradientTape() as tape:
            tape.watch([patches, kernels])
            total = tf.reduce_sum(tf.sin(module.depthwise(patches, kernels)))
        gradients.append(tape.gradient(total, [patches, kernels]))
    for found, want in zip(gradients[1], gradients[0], strict=True):
        np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-5)


def test_the_written_out_gradient_agrees_with_finite_differences():
    patches, kernels = _case()
    with tf.GradientTape() as tape:
        tape.watch(kernels)
        total = tf.reduce_sum(xla.depthwise(patches, kernels) ** 2)
    gradient = np.asarray(tape.gradient(total, kernels))
    step = 1e-2
    for index in ((0, 0, 0, 0), (2, 1, 1, 2), (4, 2, 2, 1)):
        moved = []
        for sign in (1, -1):
            nudged = np.array(kernels)
            nudged[index] += sign * step
            value = xla.depthwise(patches, tf.constant(nudged)) ** 2
            moved.append(float(tf.reduce_sum(tf.cast(value, "float64"))))
        slope = (moved[0] - moved[1]) / (2 * step)
        np.testing.assert_allclose(gradient[index], slope, rtol=1e-3)


def test_compiled_functions_take_none_and_several_shapes():
    @xla.compiled
    def add(x, y):
        return x if y is None else x + y

    assert float(add(tf.constant(1.0), None)) == 1.0
    assert float(add(tf.constant(1.0), tf.constant(2.0))) == 3.0
    np.testing.assert_array_equal(add(tf.ones(3), tf.ones(3)), [2, 2, 2])
