"""Adam as recipes want it: the backbone may learn more slowly, or later.

Everything follows from the optimizer's step counter, so that a resumed run takes the
steps of an uninterrupted one.
"""

from collections.abc import Sequence

import keras
from keras import ops

from hyperseg_tf.ops import replicas


@keras.saving.register_keras_serializable("hyperseg_tf")
class PartedAdam(keras.optimizers.Adam):
    """Adam with a smaller rate for a part of the variables.

    Args:
        learning_rate: Rate or schedule of the other variables.
        part: Places of the part in the list of variables that are trained.
        part_rate: Rate of the part over that of the others, at least 0.
        frozen_steps: First steps in which the part stays as it is; its moments are
            gathered all the same.

    Raises:
        ValueError: A rate or a number of steps is negative.
    """

    def __init__(
        self,
        learning_rate=0.001,
        *,
        part: Sequence[int] = (),
        part_rate: float = 1.0,
        frozen_steps: int = 0,
        **kwargs,
    ):
        if part_rate < 0 or frozen_steps < 0:
            raise ValueError(
                "part_rate and frozen_steps must be at least 0: got "
                f"{part_rate=} and {frozen_steps=}."
            )
        super().__init__(learning_rate, **kwargs)
        self.part = tuple(part)
        self.part_rate = part_rate
        self.frozen_steps = frozen_steps

    def update_step(self, gradient, variable, learning_rate):
        """Take Adam's step of one variable."""
        if self._get_variable_index(variable) in self.part:
            free = ops.cast(self._iterations >= self.frozen_steps, learning_rate.dtype)
            learning_rate = learning_rate * free * self.part_rate
        super().update_step(gradient, variable, learning_rate)

    def _clip_gradients(self, grads):
        """Scale gradients by the norm of the whole batch's.

        Keras clips on each device what it has, before the devices are summed: what
        comes out depends on how many there are.
        """
        if not self.global_clipnorm or replicas.count() == 1:
            return super()._clip_gradients(grads)
        squares = [ops.sum(ops.square(replicas.total(g))) for g in grads]
        norm = ops.sqrt(sum(squares))
        factor = self.global_clipnorm / ops.maximum(norm, self.global_clipnorm)
        return [g * ops.cast(factor, g.dtype) for g in grads]

    def finalize_variable_values(self, trainable_variables):
        """Leave the variables as they are when `fit` ends.

        Keras would put the moving average in their place, also where a `fit` is one
        part of a longer run; `averaged_weights` has it.
        """

    def get_config(self):
        return {
            **super().get_config(),
            "part": self.part,
            "part_rate": self.part_rate,
            "frozen_steps": self.frozen_steps,
        }


@keras.saving.register_keras_serializable("hyperseg_tf")
class ScaledLoss(keras.optimizers.LossScaleOptimizer):
    """`PartedAdam` for float16: small gradients do not vanish, large ones are left out.

    The scale is halved in a step whose gradients are not finite, which changes no
    weight; it is doubled after many that are. Such steps are counted here, and not in
    the inner optimizer's `iterations`, which its learning rate follows.

    Args:
        inner_optimizer: What takes the steps, or its serialized form, which is never
            looked up by the names in it.
        **kwargs: Of `keras.optimizers.LossScaleOptimizer`.
    """

    def __init__(self, inner_optimizer, **kwargs):
        if isinstance(inner_optimizer, dict):
            inner_optimizer = PartedAdam.from_config(inner_optimizer["config"])
        super().__init__(inner_optimizer, **kwargs)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Make one from `get_config`, which Keras' own takes its inner one out of."""
        return cls(**config)

    def apply(self, grads, trainable_variables=None):
        """Take a step, or leave it out."""
        super().apply(grads, trainable_variables)
        self._iterations.assign_add(1)

    def stateless_apply(self, optimizer_variables, grads, trainable_variables):
        """As `apply`, of JAX."""
        trained, own = super().stateless_apply(
            optimizer_variables, grads, trainable_variables
        )
        place = next(i for i, v in enumerate(self.variables) if v is self._iterations)
        return trained, [v + 1 if i == place else v for i, v in enumerate(own)]

    @property
    def skipped(self) -> int:
        """Steps that were left out so far."""
        taken = [self._iterations, self.inner_optimizer._iterations]
        every, done = (int(ops.convert_to_numpy(count)) for count in taken)
        return every - done


def steps_of(optimizer: keras.optimizers.Optimizer) -> int:
    """Steps so far, those that gathered gradients or were left out included."""
    return int(ops.convert_to_numpy(optimizer._iterations))


def backbone_places(model: keras.Model) -> tuple[int, ...]:
    """Places of the backbone in the list of a model's trainable variables.

    Empty where a model has no layer of that name. The layers that reduce the features
    have no weights of ImageNet, and are no part of it.
    """
    if "backbone" not in [layer.name for layer in model.layers]:
        return ()
    own = {
        id(variable)
        for layer in model.get_layer("backbone").layers
        if not layer.name.startswith("reduce")
        for variable in layer.trainable_variables
    }
    variables = enumerate(model.trainable_variables)
    return tuple(place for place, variable in variables if id(variable) in own)


def averaged_weights(model: keras.Model) -> list:
    """The weights to be validated and kept, in the order of `get_weights`.

    With a moving average, trained variables are averages of their last values; the
    running statistics of batch normalization, averages already, are as they are.
    """
    optimizer = getattr(model, "optimizer", None)
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if not getattr(optimizer, "use_ema", False):
        return model.get_weights()
    averages = {
        id(variable): average
        for variable, average in zip(
            model.trainable_variables,
            optimizer._model_variables_moving_average,
            strict=True,
        )
    }
    return [ops.convert_to_numpy(averages.get(id(v), v)) for v in model.weights]
