"""Several losses at once."""

import keras


@keras.saving.register_keras_serializable("hyperseg_tf")
class WeightedSum(keras.losses.Loss):
    """The sum of other losses, each times a factor.

    Args:
        losses: Keras losses on the same labels and logits, or their configs; their own
            reductions do not matter. At least one.
        factors: One positive number for each.
        reduction: Over the images.
        name: Of the loss.
        dtype: Labels and logits are cast to it first.

    Shapes:
        labels, logits, returns: As of `Focal`.
    """

    def __init__(
        self,
        losses,
        factors,
        reduction="sum_over_batch_size",
        name="weighted_sum",
        dtype="float32",
    ):
        if not losses or len(losses) != len(factors):
            raise ValueError(
                f"every loss has one factor: got {len(losses)} losses and "
                f"{len(factors)} factors."
            )
        if not all(0 < factor < float("inf") for factor in factors):
            raise ValueError(f"factors are positive: got {tuple(factors)}.")
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.losses = losses
        self.factors = factors
        self._parts = [keras.losses.get(loss) for loss in losses]

    def call(self, labels, logits):
        pairs = zip(self._parts, self.factors, strict=True)
        return sum(factor * loss.call(labels, logits) for loss, factor in pairs)

    def get_config(self):
        return {
            **super().get_config(),
            "losses": [keras.losses.serialize(loss) for loss in self._parts],
            "factors": self.factors,
            "dtype": self.dtype,
        }
