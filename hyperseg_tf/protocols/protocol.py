"""What a score means: classes, sizes and void of every named evaluation protocol.

Scores of two protocols are never comparable, so a protocol is a name and not a
bundle of options. Needs neither Keras nor TensorFlow.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.names import did_you_mean
from hyperseg_tf.protocols.classes import (
    CAMVID_CLASSES,
    CITYSCAPES_CATEGORIES,
    CITYSCAPES_CLASSES,
    CITYSCAPES_INSTANCES,
    VOC_CLASSES,
)


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How predictions are compared with labels.

    Attributes:
        name: Its name on the command line and in every result.
        title: One line for lists.
        classes: Class names in order; None for those of the data.
        void_class: Class that void pixels belong to; None ignores them.
        size: (height, width) that every label must have; None for any. Predictions
            are compared at the label's own size.
        input_size: What the network sees: "own" for the image as it is, "preset"
            for the `image_size` of the model's preset, logits resized back.
        categories: Names of groups of classes, which are scored as one, too, and the
            positions of their classes.
        instances: Positions of classes whose instances are scored by iIoU, where files
            of them are there, and the mean pixels of an instance.
    """

    name: str
    title: str
    classes: tuple[str, ...] | None = None
    void_class: int | None = None
    size: tuple[int, int] | None = None
    input_size: str = "own"
    categories: tuple[tuple[str, tuple[int, ...]], ...] = ()
    instances: tuple[tuple[int, float], ...] = ()

    def data_classes(self) -> tuple[str, ...] | None:
        """Classes that the data must have: all but the one that void stands for."""
        if self.classes is None or self.void_class is None:
            return self.classes
        return self.classes[: self.void_class] + self.classes[self.void_class + 1 :]

    def check_data(self, names: Sequence[str], where: str) -> None:
        """Raise `UserError` unless the data have the classes of the protocol."""
        wanted = self.data_classes()
        if wanted is None or same_classes(names, wanted) or self.has_void(names):
            return
        raise UserError(
            f"protocol {self.name} has its own classes: {where} has "
            f"{difference(names, wanted)}; evaluate with --protocol own-folder or "
            "another of " + ", ".join(PROTOCOLS) + "."
        )

    def has_void(self, names: Sequence[str]) -> bool:
        """Whether void that counts is a class of the data, beside what is ignored."""
        return self.void_class is not None and same_classes(names, self.classes)

    def model_classes(self, data_names: Sequence[str]) -> tuple[str, ...]:
        """Classes that a model must have been trained for."""
        return tuple(data_names) if self.classes is None else self.classes

    def label(self, label: np.ndarray, path: str, has_void: bool = False) -> np.ndarray:
        """Return a label (H, W) as the protocol counts it; VOID is not counted.

        Args:
            has_void: The data tell void that counts from what is ignored (`has_void`);
                else all of their void counts, where any does.

        Raises:
            UserError: its size is not that of the protocol.
        """
        if self.size is not None and label.shape != self.size:
            raise UserError(
                f"protocol {self.name} compares at {self.size[0]}x{self.size[1]} "
                f"(height x width): {path} is {label.shape[0]}x{label.shape[1]}; "
                "use the protocol of that size or own-folder."
            )
        if self.void_class is None or has_void:
            return label
        later = (label >= self.void_class) & (label != VOID)
        label = label + later.astype(label.dtype)
        return np.where(label == VOID, np.uint8(self.void_class), label)


_ALL = (
    Protocol(
        name="own-folder",
        title="the data's own classes at their own size, void ignored",
    ),
    Protocol(
        name="camvid11-360x480",
        title="CamVid as in the SegNet tutorial, 11 classes, void ignored",
        classes=CAMVID_CLASSES,
        size=(360, 480),
    ),
    Protocol(
        name="camvid11-720x960",
        title="CamVid at full size, 11 classes, void ignored",
        classes=CAMVID_CLASSES,
        size=(720, 960),
        input_size="preset",
    ),
    Protocol(
        name="camvid12",
        title="CamVid as in the HyperSeg paper, void counted as a class",
        classes=(*CAMVID_CLASSES, "void"),
        void_class=11,
        size=(720, 960),
        input_size="preset",
    ),
    Protocol(
        name="cityscapes19",
        title="Cityscapes, 19 classes, single scale",
        classes=CITYSCAPES_CLASSES,
        size=(1024, 2048),
        input_size="preset",
        categories=CITYSCAPES_CATEGORIES,
        instances=CITYSCAPES_INSTANCES,
    ),
    Protocol(
        name="voc21",
        title="PASCAL VOC 2012, 20 classes and background",
        classes=VOC_CLASSES,
    ),
)

PROTOCOLS = {protocol.name: protocol for protocol in _ALL}

# Other names of the first protocol: recipes and people use both.
_ALIASES = {"own": "own-folder", "as-is": "own-folder"}


def get(name: str) -> Protocol:
    """Return the protocol called `name`; "own" and "as-is" mean own-folder.

    Raises:
        UserError: There is none of that name.
    """
    key = _ALIASES.get(name, name)
    if key not in PROTOCOLS:
        raise UserError(
            f"a protocol has one of the names {', '.join(PROTOCOLS)}: got {name!r}; "
            f"{did_you_mean(name, PROTOCOLS)}own is for any folder."
        )
    return PROTOCOLS[key]


def same_classes(names: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two lists name the same classes in the same order.

    Case, blanks and punctuation do not count, and CamVid's "SignSymbol" is "sign".
    """
    return list(map(_plain, names)) == list(map(_plain, others))


def difference(names: Sequence[str], wanted: Sequence[str]) -> str:
    """Say in words what `names` have other than `wanted`."""
    plain, wanted_plain = list(map(_plain, names)), list(map(_plain, wanted))
    extra = [n for n, p in zip(names, plain, strict=True) if p not in wanted_plain]
    missing = [w for w, p in zip(wanted, wanted_plain, strict=True) if p not in plain]
    parts = []
    if len(names) != len(wanted):
        parts.append(f"{len(names)} classes instead of {len(wanted)}")
    if extra:
        parts.append("besides " + _some(extra))
    if missing:
        parts.append("not " + _some(missing))
    if not parts:
        index = next(
            i
            for i, (a, b) in enumerate(zip(plain, wanted_plain, strict=True))
            if a != b
        )
        parts.append(
            f"another order (class {index} is {names[index]!r}, not {wanted[index]!r})"
        )
    return ", ".join(parts)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _plain(name: str) -> str:
    plain = re.sub(r"[\W_]+", "", name.casefold())
    return {"signsymbol": "sign", "unlabelled": "void"}.get(plain, plain)
