"""What a recipe says: every number that decides the result of a training run.

A field added here is written to run.json of every run and compared when a run is
resumed; give it a default, so that older runs can still be told apart.
"""

from dataclasses import dataclass, fields, is_dataclass
from math import inf
from typing import Any, Literal, get_args

from hyperseg_tf.base.constants import SPLITS
from hyperseg_tf.recipes.prune import Prune
from hyperseg_tf.recipes.rules import check, one_of

Decay = Literal["step", "epoch"]
Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
Loss = Literal["bootstrapped", "cross_entropy", "ohem", "focal", "dice", "lovasz"]

# Losses that average pixels, which classes can be given weights in.
OF_PIXELS = ("bootstrapped", "cross_entropy", "ohem", "focal")

_RULES = (
    (
        "epochs batch_size evaluate_batch_size loss_k accumulate",
        "be at least 1",
        lambda value: value >= 1,
    ),
    ("learning_rate power epsilon", "be positive", lambda value: value > 0),
    (
        "loss_threshold loss_gamma overlays",
        "be at least 0",
        lambda value: value >= 0,
    ),
    (
        "loss_probability",
        "be in 0..1, without both",
        lambda value: 0 < value < 1,
    ),
    (
        "warmup_steps backbone_rate frozen_epochs patience",
        "be at least 0",
        lambda value: value >= 0,
    ),
    ("ema", "be in 0..1, without 1", lambda momentum: 0 <= momentum < 1),
    ("clip_norm", "be positive", lambda norm: norm is None or norm > 0),
    (
        "betas",
        "be in 0..1, without 1",
        lambda betas: all(0 <= beta < 1 for beta in betas),
    ),
    (
        "norm_momentum",
        "be in 0..1, without 1",
        lambda momentum: momentum is None or 0 <= momentum < 1,
    ),
    ("split_val", "be in 0..1, without 1", lambda share: 0 <= share < 1),
    one_of("decay", get_args(Decay)),
    one_of("precision", get_args(Precision)),
    (
        "loss",
        f"be one or several of {', '.join(get_args(Loss))}",
        lambda loss: (
            losses_in(loss)
            and set(losses_in(loss)) <= set(get_args(Loss))
            and len(set(losses_in(loss))) == len(losses_in(loss))
        ),
    ),
    (
        "loss_factors",
        "be positive",
        lambda factors: all(0 < factor < inf for factor in factors),
    ),
    (
        "loss_class_weights",
        "be balanced, none, or numbers of at least 0 and not all 0",
        lambda weights: (
            weights in (None, "balanced")
            or all(0 <= weight < inf for weight in weights)
            and any(weights)
        ),
    ),
    one_of("evaluate_split", SPLITS),
    (
        "train_splits",
        f"be some of {', '.join(SPLITS)}",
        lambda splits: splits and set(splits) <= set(SPLITS),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training run; the number of classes comes from the data.

    Args:
        preset: Architecture, a name that `HyperSeg.from_preset` knows.
        train: Transforms of a training sample, in order, ending in images that all
            have the same size.
        evaluate: Transforms of a validation sample, in order.
        protocol: How scores are computed; scores of two protocols never mix.
        epochs: Passes over `samples_per_epoch` samples, each followed by validation.
        samples_per_epoch: Samples between two validations; need not be the size of
            the data. The surplus of `samples_per_epoch / batch_size` is dropped.
        batch_size: Samples per step, over all devices together.
        learning_rate: Rate of the first step.
        power: Exponent of the polynomial decay to zero at the last step.
        decay: When the rate changes, every "step" or every "epoch".
        betas: Decay of Adam's two moments.
        epsilon: Adam's constant.
        warmup_steps: First steps in which the rate grows from 0 to the decay's.
        backbone_rate: Rate of the backbone over that of the rest, 1 for the same: a
            backbone from ImageNet needs less.
        frozen_epochs: First epochs in which the backbone's weights stay as they are;
            its running statistics follow the data.
        clip_norm: Gradients are scaled to this norm of all where it is larger.
        precision: Of the network's maps while it trains; "mixed_bfloat16" and
            "mixed_float16" halve their memory and are quicker on GPUs. Weights, losses,
            validation and model.keras are float32; the loss of float16 is scaled, and
            steps whose gradients overflow are left out.
        accumulate: Steps whose gradients are averaged before the weights change, on one
            device; steps, rates and epochs are counted as without it.
        patience: Epochs without a better mIoU after which a run ends; 0 for none.
        ema: Share of the old value that a step keeps in a moving average of the
            weights, which is validated and kept as model.keras; 0 has none.
        loss: "bootstrapped" (cross entropy over the hard pixels of each image),
            "cross_entropy" (over all), "ohem" (over the hard pixels of a batch),
            "focal", "dice" or "lovasz" (Lovasz-softmax); several are added.
        loss_factors: Of the losses, in order; 1 each where left out.
        loss_class_weights: What pixels of each class count in a mean over pixels:
            numbers, or "balanced": the median share of a class in the training labels
            by that of the class, as `data check` prints it. None for 1 each.
        loss_k: Fewest pixels per image in the losses over hard pixels.
        loss_threshold: Pixel loss above which a pixel is hard, "bootstrapped".
        loss_probability: Probability of its class below which it is, "ohem".
        loss_gamma: Exponent of "focal".
        norm_momentum: Share of the old running statistics that a step keeps in every
            batch normalization; None leaves the network's own (0.99 in the backbone,
            0.9 behind it). From random weights the backbone changes faster than 0.99
            follows, and validation scores lag far behind the network.
        weights: What the network starts from: None (random), "imagenet" (backbone),
            "imagenet-or-random" (random where ImageNet's file cannot be had), or
            the path of a file.
        seed: Of the initial weights, the order and transforms of the samples and
            the dropout.
        train_splits: Splits of the data trained on.
        evaluate_split: Split of the data that picks the best epoch.
        evaluate_batch_size: Samples per validation step; 1 where sizes differ.
        void_is_class: Void pixels of the data are one more class, the last, named
            "void", as in the published CamVid models; else they are ignored. Of data
            that know two kinds of void, those that they call so.
        cache: Keep decoded training samples in memory.
        replacement: Draw every training sample from all, as the released code does,
            instead of each once per pass.
        overlays: Validation samples drawn after each epoch.
        prune: What becomes zero of the kernels; nothing unless its sparsity is set.
        split_val: Share of train that is held back and validates in place of
            `evaluate_split`, for data without it; always the same samples. 0 holds
            none back.
        read_labels: How label files are read where they do not say what the class file
            says, such as "0=0,255=1"; the rules of `pipelines.LabelReading`.
    """

    preset: str
    train: tuple[Any, ...]
    evaluate: tuple[Any, ...]
    protocol: str
    epochs: int
    samples_per_epoch: int
    batch_size: int
    learning_rate: float
    power: float
    decay: Decay = "step"
    betas: tuple[float, float] = (0.5, 0.999)
    epsilon: float = 1e-8
    warmup_steps: int = 0
    backbone_rate: float = 1.0
    frozen_epochs: int = 0
    clip_norm: float | None = None
    ema: float = 0.0
    loss: Loss | tuple[Loss, ...] = "bootstrapped"
    loss_k: int = 4096
    loss_threshold: float = 0.3
    norm_momentum: float | None = None
    weights: str | None = None
    seed: int = 0
    train_splits: tuple[str, ...] = ("train",)
    evaluate_split: str = "val"
    evaluate_batch_size: int = 1
    void_is_class: bool = False
    cache: bool = False
    overlays: int = 4
    replacement: bool = False
    prune: Prune = Prune()
    split_val: float = 0.0
    read_labels: str = ""
    loss_factors: tuple[float, ...] = ()
    loss_class_weights: Literal["balanced"] | tuple[float, ...] | None = None
    loss_probability: float = 0.7
    loss_gamma: float = 2.0
    precision: Precision = "float32"
    accumulate: int = 1
    patience: int = 0

    def __post_init__(self) -> None:
        check(self, _RULES)
        self._check_losses()
        if self.read_labels:
            # A list of recipes needs no TensorFlow, which comes with pipelines.
            from hyperseg_tf.pipelines.label_reading import LabelReading

            LabelReading.parse(self.read_labels)
        if self.samples_per_epoch < self.batch_size:
            raise ValueError(
                "an epoch must hold one batch: got "
                f"samples_per_epoch={self.samples_per_epoch} and "
                f"batch_size={self.batch_size}; raise one or lower the other."
            )

        if self.split_val and self.evaluate_split in self.train_splits:
            raise ValueError(
                "what is held back of train is not trained on: got "
                f"split_val={self.split_val} and train_splits={self.train_splits} "
                f"with evaluate_split={self.evaluate_split!r}; set one of them."
            )

    @property
    def losses(self) -> tuple[tuple[str, float], ...]:
        """The losses that are added, each with its factor."""
        names = losses_in(self.loss)
        return tuple(zip(names, self.loss_factors or (1.0,) * len(names), strict=True))

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps between two validations."""
        return self.samples_per_epoch // self.batch_size

    def _check_losses(self) -> None:
        names = losses_in(self.loss)
        if self.loss_factors and len(self.loss_factors) != len(names):
            raise ValueError(
                f"every loss has one factor: got loss_factors={self.loss_factors} for "
                f"loss={', '.join(names)}; give {len(names)}, or none for 1 each."
            )
        if self.loss_class_weights is not None and not set(names) & set(OF_PIXELS):
            raise ValueError(
                "class weights weigh pixels, and dice and lovasz count every class the "
                f"same: got loss_class_weights={self.loss_class_weights} for "
                f"loss={', '.join(names)}; leave them out, or add one of "
                f"{', '.join(OF_PIXELS)}."
            )

    def as_data(self) -> dict[str, Any]:
        """Return the recipe as JSON-able data; transforms carry their class name."""
        return {f.name: _as_data(getattr(self, f.name)) for f in fields(self)}


def losses_in(loss: Any) -> tuple[Any, ...]:
    """The names of the losses that are added, of one or of several."""
    return (loss,) if isinstance(loss, str) else tuple(loss)


def _as_data(value: Any) -> Any:
    if is_dataclass(value):
        own = {f.name: _as_data(getattr(value, f.name)) for f in fields(value)}
        return {"type": type(value).__name__, **own}
    if hasattr(value, "get_config"):  # a layer of Keras, or what keras-cv draws by
        return {"type": type(value).__name__, **_as_data(value.get_config())}
    if isinstance(value, dict):
        return {name: _as_data(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_as_data(item) for item in value]
    return value
