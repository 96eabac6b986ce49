"""Every rule that images and labels keep, tried on every sample.

Training refuses to start on a finding (`require`); `hyperseg-tf data check`
lists them all (`check_folder`). Rules of how labels are stored belong to the samples;
here are those of images, and of a label and its image together.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO

import numpy as np

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.orientation import (
    FIRST_SIDEWAYS,
    orientation_in_file,
    turned,
)
from hyperseg_tf.base.pixels import DARKEST_OF_16_BITS
from hyperseg_tf.base.progress import bar
from hyperseg_tf.pipelines.datasets import Dataset
from hyperseg_tf.pipelines.decode import DEPTH
from hyperseg_tf.pipelines.duplicates import Hash
from hyperseg_tf.pipelines.files import UnknownValues
from hyperseg_tf.pipelines.label_patterns import explain, is_pattern
from hyperseg_tf.pipelines.label_tally import Tally, tally_of
from hyperseg_tf.pipelines.pictures import decode, open_header, unreadable
from hyperseg_tf.pipelines.samples import Finding, Sample, read_label
from hyperseg_tf.pipelines.split_rules import remarks, unfit
from hyperseg_tf.pipelines.verdicts import Verdict, Verdicts


@dataclass(frozen=True)
class Report:
    """Findings, and how many pixels each class has.

    Attributes:
        findings: All of them, in the dataset's order.
        class_pixels: int64 (N,); it and `void_pixels` count the labels that could be
            decoded.
        void_pixels: Pixels that are ignored.
        notes: What is worth knowing and hinders nothing.
        sizes: (height, width) of the images that could be decoded.
        hashes: Of all images, where they were asked for; None of what has none.
        others: The findings without those about unknown values.
        tallies: Of the values or colours of labels, where some are unknown.
        known: Samples that were as at an earlier check, and not read again.
    """

    findings: tuple[Finding, ...]
    class_pixels: np.ndarray
    void_pixels: int
    notes: tuple[str, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()
    hashes: tuple[int | None, ...] = ()
    others: tuple[Finding, ...] = ()
    tallies: tuple[Tally, ...] = ()
    known: int = 0


def check(dataset: Dataset) -> list[Finding]:
    """All findings of all samples, in the dataset's order; empty when all is well."""
    return list(inspect(dataset).findings)


def require(dataset: Dataset, void_is_class: bool = False) -> Report:
    """What `inspect` says, if it finds nothing.

    Samples whose files are those of an earlier check are not read again.

    Args:
        void_is_class: Void is learnt as one more class.

    Raises:
        UserError: with the first findings, their number and where to see all.
    """
    report = inspect(dataset, verdicts=Verdicts(dataset), void_is_class=void_is_class)
    findings = report.findings
    if findings:
        shown = " ".join(str(finding) for finding in findings[:3])
        raise UserError(
            f"{dataset.directory}, {dataset.split}: training starts on sound files "
            f"only: {len(findings)} finding{'s' * (len(findings) > 1)}: {shown} "
            f"List all with `hyperseg-tf data check {dataset.directory}`."
        )
    return report


def load_sample(dataset: Dataset, i: int) -> dict[str, np.ndarray]:
    """Decode sample `i`: {"image": uint8 (H, W, 3), "label": uint8 (H, W)}.

    Decoding is that of the training stream; the label holds class positions
    and VOID.

    Raises:
        UserError: the sample breaks a rule of `check`.
    """
    sample, findings, _ = _inspect_sample(dataset, i)
    if findings:
        raise UserError(str(findings[0]))
    return sample


def inspect(
    dataset: Dataset,
    progress: Callable[[int, int], None] | None = None,
    image_hash: Hash | None = None,
    verdicts: Verdicts | None = None,
    void_is_class: bool = False,
) -> Report:
    """Decode every sample, several at a time, and count the pixels of every class.

    Args:
        progress: Called with (samples done, samples in all); a bar on stderr where
            that is a terminal and nothing is given.
        image_hash: Called with every image that can be decoded.
        verdicts: Those of earlier times, which get the new ones; None reads every file.
        void_is_class: Void is learnt as one more class.
    """
    progress = progress or bar(f"checking {dataset.split}")
    findings = list(dataset.findings)
    pixels = np.zeros(256, np.int64)
    all_void, sizes, hashes = [], [], []

    def look(i: int) -> tuple[list[Finding], Verdict]:
        mark = verdicts and verdicts.mark(dataset[i])
        known = mark and verdicts.known(dataset[i], mark, image_hash is not None)
        if known:
            return [], known
        arrays, found, counts = _inspect_sample(dataset, i)
        image = arrays.get("image")
        if image is None:
            return found, Verdict(None, counts)
        verdict = Verdict(image.shape[:2], counts, image_hash and image_hash(image))
        if verdicts is not None and not found:
            verdicts.add(dataset[i], mark, verdict, image_hash is not None)
        return found, verdict

    try:
        with ThreadPoolExecutor() as pool:
            results = pool.map(look, range(len(dataset)))
            for done, (found, one) in enumerate(results, 1):
                findings += found
                pixels += one.counts
                if one.counts.any() and not one.counts[:VOID].any():
                    all_void.append(dataset[done - 1].name)
                sizes += [one.size] if one.size else []
                hashes.append(one.image_hash)
                progress(done, len(dataset))
    finally:
        if verdicts is not None:  # what is known of half of the files is, too
            verdicts.save()
    class_pixels, void_pixels = pixels[: len(dataset.classes)], int(pixels[VOID])
    others = [f for f in findings if not isinstance(f, UnknownValues)]
    tallies = tally_of(dataset, findings, class_pixels, void_pixels)
    if any(is_pattern(tally, dataset.classes) for tally in tallies):
        where = dataset.directory
        findings = others + [
            f for tally in tallies for f in explain(tally, dataset.classes, where)
        ]
    if not findings:
        others = findings = unfit(dataset, class_pixels, void_pixels, void_is_class)
    return Report(
        tuple(findings),
        class_pixels,
        void_pixels,
        () if findings else tuple(remarks(dataset, class_pixels, all_void)),
        tuple(sizes),
        tuple(hashes),
        tuple(others),
        tuple(tallies),
        verdicts.taken if verdicts is not None else 0,
    )


def _inspect_sample(
    dataset: Dataset, i: int
) -> tuple[dict[str, np.ndarray], list[Finding], np.ndarray]:
    """Decode sample `i` and try every rule on it.

    Returns:
        The sample as far as it could be decoded ("image" uint8 (H, W, 3), "label"
        uint8 (H, W)), the findings, and pixels per label value, int64 (256,).
    """
    sample = dataset[i]
    findings: list[Finding] = []
    arrays = {}
    counts = np.zeros(256, np.int64)
    image = _image(sample, findings)
    if image is not None:
        arrays["image"] = image
    label, found = read_label(sample)
    findings += found
    if label is not None:
        arrays["label"] = label
        counts += np.bincount(label.reshape(-1), minlength=256)
        if not found:
            findings += _other_values(sample, counts, len(dataset.classes))
    if image is not None and label is not None and image.shape[:2] != label.shape:
        findings.append(_other_size(sample, image, label))
    return arrays, findings, counts


def _image(sample: Sample, findings: list[Finding]) -> np.ndarray | None:
    source = sample.image_source
    try:
        contents = sample.image_bytes()
    except OSError as error:
        findings.append(unreadable(source, error))
        return None
    except Exception as error:  # Anybody's code: the sample must be named.
        findings.append(
            Finding(
                source,
                "a sample gives its image as the bytes of a file",
                f"{type(error).__name__}: {error}",
                "correct it or take the sample out",
            )
        )
        return None
    # MPO: what several cameras write, a JPEG with more pictures behind the first.
    header = open_header(source, contents, ("PNG", "JPEG", "MPO"), findings)
    if header is None:
        return None
    image = decode(source, "image", contents, findings)
    if image is None:
        return None
    deep = header.format == "PNG" and contents[DEPTH] == 16
    if deep and image.max() < DARKEST_OF_16_BITS:
        findings.append(
            Finding(
                source,
                "of 16 bits the upper 8 are used",
                f"no value above {image.max()} there: 12 bits or fewer in 16",
                "stretch the values or save 8 bits",
            )
        )
    return turned(image, orientation_in_file(BytesIO(contents)))


def _other_size(sample: Sample, image: np.ndarray, label: np.ndarray) -> Finding:
    found = f"image {_size(image)}, label {_size(label)} (height x width)"
    remedy = f"resize the label by nearest neighbour or replace {sample.image_source}"
    if image.shape[1::-1] == label.shape:
        with suppress(OSError):
            contents = BytesIO(sample.image_bytes())
            if orientation_in_file(contents) >= FIRST_SIDEWAYS:
                found += "; EXIF turns the image, and the label was drawn without that"
                remedy = "turn the label, too, or take EXIF out of the image"
    rule = "image and label have the same size"
    return Finding(sample.label_source, rule, found, remedy)


def _other_values(
    sample: Sample, counts: np.ndarray, num_classes: int
) -> list[Finding]:
    """Positions that are neither a class's nor void, where the sample said nothing."""
    others = np.flatnonzero(counts[num_classes:VOID]) + num_classes
    if not others.size:
        return []
    return [
        Finding(
            sample.label_source,
            f"a label holds class positions 0..{num_classes - 1} or void ({VOID})",
            ", ".join(f"{value} ({counts[value]} pixels)" for value in others[:5]),
            "correct the label or add the class",
        )
    ]


def _size(array: np.ndarray) -> str:
    return f"{array.shape[0]}x{array.shape[1]}"
