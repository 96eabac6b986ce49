"""What a data set consists of: samples, whatever stores them.

A `Sample` is one picture with its label: a pair of files (`pipelines/files.py`), a
polygon, a record. `Samples` is a sequence of them that also loads one of them in a
TensorFlow graph, which is what the training stream does. A plain list of samples
becomes one by `SampleList`; a storage that TensorFlow can decode by itself brings a
`Samples` of its own, so that no sample goes through Python.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import tensorflow as tf

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.orientation import FIRST_SIDEWAYS, orientation_in_file, turned
from hyperseg_tf.base.picture_file import BadPicture, open_header
from hyperseg_tf.pipelines.classes import ClassTable
from hyperseg_tf.pipelines.decode import decode_image

# A position, int64 scalar, to {"image": uint8 (H, W, 3), "label": uint8 (H, W)}.
Loader = Callable[[tf.Tensor], dict[str, tf.Tensor]]


@dataclass(frozen=True)
class Finding:
    """One broken rule: where, the rule, what was found, the way out."""

    source: str | Path
    rule: str
    found: str
    remedy: str

    def __str__(self) -> str:
        # A file name may hold anything but a slash; a terminal may not take it.
        source = os.fsencode(self.source).decode("utf-8", "backslashreplace")
        line = f"{source}: {self.rule}: {self.found}; {self.remedy}."
        return line.replace("\n", " ")


class Sample(ABC):
    """One picture with its label.

    Attributes:
        name: Unique in its split; may hold any character.
        image_source: Where the image comes from, for messages.
        label_source: Where the label comes from, for messages.
        has_label_file: Whether the label is a file of values or colours, which may be
            read with other `classes`.
    """

    name: str
    image_source: str | Path
    label_source: str | Path
    has_label_file: bool = False

    @property
    def sources(self) -> tuple[str | Path, ...]:
        """The files that decide what the sample is, all of them; () if others do."""
        return ()

    @abstractmethod
    def image_bytes(self) -> bytes:
        """The picture as a whole PNG or JPEG file; OSError if it cannot be had."""

    @abstractmethod
    def inspect_label(self) -> tuple[np.ndarray | None, list[Finding]]:
        """The label as far as it can be had, and everything that is wrong with it.

        Returns:
            uint8 (H, W): class positions, VOID, or UNKNOWN where a finding says
            what is there instead; None behind a finding.
        """

    def label(self) -> np.ndarray:
        """The label, uint8 (H, W): class positions and VOID.

        Raises:
            UserError: with the first finding; `inspect_label` raised (call that for
                its traceback) or gave something else than a label.
        """
        label, findings = read_label(self)
        if findings:
            raise UserError(str(findings[0]))
        return label

    def size(self) -> tuple[int, int] | None:
        """(height, width) by the picture's header, turned; None if it has none."""
        try:
            return header_size(BytesIO(self.image_bytes()))
        except OSError:
            return None


def header_size(file: BinaryIO) -> tuple[int, int] | None:
    """(height, width) of a picture the way up that its EXIF says, without decoding it.

    None if there is none.
    """
    try:
        with open_header(file) as header:
            size = header.height, header.width
        file.seek(0)
        sideways = orientation_in_file(file) >= FIRST_SIDEWAYS
        return size[::-1] if sideways else size
    except (OSError, BadPicture):
        return None


def read_label(sample: Sample) -> tuple[np.ndarray | None, list[Finding]]:
    """`sample.inspect_label()`; what it raises or should not give is a finding."""
    try:
        label, findings = sample.inspect_label()
    except Exception as error:  # Anybody's code: the sample must be named.
        found = f"{type(error).__name__}: {error}"
        label, findings = None, []
    else:
        if findings:
            return label, list(findings)
        found = _unlike_a_label(label)
    if not found:
        return label, []
    rule = "a sample gives its label, uint8 (H, W)"
    remedy = "correct it or take the sample out"
    return None, [Finding(sample.label_source, rule, found, remedy)]


def _unlike_a_label(label) -> str:
    if not isinstance(label, np.ndarray):
        return type(label).__name__
    if label.dtype != np.uint8 or label.ndim != 2:
        return f"{label.dtype} {label.shape}"
    return ""


class Samples(Sequence[Sample]):
    """A sequence of samples that can load one of them in a graph.

    Attributes:
        encoding: How label files write classes, `index` or `colour`; None where
            there are no such files, or files of both kinds.
    """

    encoding: str | None = None

    @abstractmethod
    def loader(self) -> Loader:
        """A function of a position that can be called in a graph.

        What it cannot load raises an error of TensorFlow's. Labels may hold
        UNKNOWN, and their size may differ from the image's: the stream looks.
        """

    def subset(self, positions: Sequence[int]) -> "Samples":
        """The samples at `positions`, in that order."""
        length = len(self)
        return Subset(self, tuple(range(length)[position] for position in positions))

    def with_classes(self, classes: ClassTable) -> "Samples":
        """The same samples, their label files read with other classes.

        Raises:
            UserError: There are no label files.
        """
        raise UserError(
            "labels are read in another way where they are files of values or colours: "
            "these are not; give no such option."
        )

    def joined(self, *others: "Samples") -> "Samples":
        """These samples and then those of the others.

        Raises:
            UserError: labels are written in different encodings.
        """
        encodings = {part.encoding for part in (self, *others)} - {None}
        if len(encodings) > 1:
            raise UserError(
                "samples that are joined have the same encoding of labels: found "
                f"{' and '.join(sorted(encodings))}; save all labels in the same way."
            )
        return Joined((self, *others)) if others else self


@dataclass(frozen=True)
class SampleList(Samples):
    """Any samples, one by one through Python."""

    samples: tuple[Sample, ...]

    def __post_init__(self):
        object.__setattr__(self, "samples", tuple(self.samples))
        names = set()
        for sample in self.samples:
            if sample.name in names:
                raise ValueError(
                    f"every sample has a name of its own: got {sample.name!r} twice; "
                    "number them."
                )
            names.add(sample.name)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> Sample:
        return self.samples[i]

    def with_classes(self, classes: ClassTable) -> "SampleList":
        """As of any samples; each of these must have a label file."""
        if not all(sample.has_label_file for sample in self.samples):
            return super().with_classes(classes)
        return SampleList(tuple(replace(s, classes=classes) for s in self.samples))

    def loader(self) -> Loader:
        """A function of a position; its errors name the sample."""

        def load(position: tf.Tensor) -> dict[str, tf.Tensor]:
            image, label = tf.numpy_function(
                self._load, [position], (tf.uint8, tf.uint8)
            )
            return {
                "image": tf.ensure_shape(image, (None, None, 3)),
                "label": tf.ensure_shape(label, (None, None)),
            }

        return load

    def _load(self, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sample = self.samples[int(position)]
        try:
            contents = sample.image_bytes()
            with tf.device("CPU"):
                image = decode_image(tf.constant(contents)).numpy()
            image = turned(image, orientation_in_file(BytesIO(contents)))
        except Exception as error:
            raise UserError(
                f"{sample.image_source}: every image can be decoded: "
                f"{type(error).__name__}: {error}; restore it or take the sample out."
            ) from error
        return image, sample.label()


@dataclass(frozen=True)
class Joined(Samples):
    """Several sequences one after another; each loads its own."""

    parts: tuple[Samples, ...]

    @property
    def encoding(self) -> str | None:
        """That of all parts; None where they differ."""
        encodings = {part.encoding for part in self.parts}
        return encodings.pop() if len(encodings) == 1 else None

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __getitem__(self, i: int) -> Sample:
        i = range(len(self))[i]
        for part in self.parts:
            if i < len(part):
                return part[i]
            i -= len(part)
        raise IndexError(i)

    def with_classes(self, classes: ClassTable) -> "Joined":
        """As of any samples, part by part."""
        return Joined(tuple(part.with_classes(classes) for part in self.parts))

    def loader(self) -> Loader:
        """A function of a position that calls the loader of its part."""
        loaders = [part.loader() for part in self.parts]
        ends = np.cumsum([len(part) for part in self.parts])

        def load(position: tf.Tensor) -> dict[str, tf.Tensor]:
            part = tf.searchsorted(ends, [position], side="right")[0]
            starts = [0, *ends[:-1]]
            branches = [
                lambda load=load, start=start: load(position - start)
                for load, start in zip(loaders, starts, strict=True)
            ]
            return tf.switch_case(part, branches)

        return load


@dataclass(frozen=True)
class Subset(Samples):
    """Some samples of another sequence, which loads them."""

    samples: Samples
    positions: tuple[int, ...]

    @property
    def encoding(self) -> str | None:
        """That of the whole sequence."""
        return self.samples.encoding

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, i: int) -> Sample:
        return self.samples[self.positions[i]]

    def with_classes(self, classes: ClassTable) -> "Subset":
        """As of the whole sequence."""
        return replace(self, samples=self.samples.with_classes(classes))

    def loader(self) -> Loader:
        """A function of a position in the subset."""
        load = self.samples.loader()
        positions = np.array(self.positions, np.int64)
        return lambda position: load(tf.gather(positions, position))
