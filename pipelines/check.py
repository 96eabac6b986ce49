"""Every rule that images and labels keep, tried on every sample.

Training refuses to start on a finding (`require`); `hyperseg-tf data check`
lists them all (`check_folder`). Rules of how labels are stored belong to the samples;
here are those of images, and of a label and its image together.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image

from hyperseg_tf.base.constants import VOID
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.progress import bar
from pipelines.datasets import Dataset
from pipelines.decode import DEPTH
from pipelines.pictures import decode, open_header, unreadable
from pipelines.samples import Finding, Sample, read_label

EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Report:
    """Findings, and how many pixels each class has.

    `class_pixels` is int64 (N,); it and `void_pixels` count the labels that could
    be decoded.
    """

    findings: tuple[Finding, ...]
    class_pixels: np.ndarray
    void_pixels: int


def check(dataset: Dataset) -> list[Finding]:
    """All findings of all samples, in the dataset's order; empty when all is well."""
    return list(inspect(dataset).findings)


def require(dataset: Dataset) -> None:
    """Do nothing if `check` finds nothing.

    Raises:
        UserError: with the first findings, their number and where to see all.
    """
    findings = check(dataset)
    if findings:
        shown = " ".join(str(finding) for finding in findings[:3])
        raise UserError(
            f"{dataset.directory}, {dataset.split}: training starts on sound files "
            f"only: {len(findings)} finding{'s' * (len(findings) > 1)}: {shown} "
            f"List all with `hyperseg-tf data check {dataset.directory}`."
        )


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
    dataset: Dataset, progress: Callable[[int, int], None] | None = None
) -> Report:
    """Decode every sample, several at a time, and count the pixels of every class.

    Args:
        progress: Called with (samples done, samples in all); a bar on stderr where
            that is a terminal and nothing is given.
    """
    progress = progress or bar(f"checking {dataset.split}")
    findings = list(dataset.findings)
    pixels = np.zeros(256, np.int64)
    with ThreadPoolExecutor() as pool:
        results = pool.map(
            lambda i: _inspect_sample(dataset, i)[1:], range(len(dataset))
        )
        for done, (found, counts) in enumerate(results, 1):
            findings += found
            pixels += counts
            progress(done, len(dataset))
    class_pixels, void_pixels = pixels[: len(dataset.classes)], int(pixels[VOID])
    if not findings and dataset.samples.encoding == "index":
        findings += _only_void_beside(dataset, class_pixels, void_pixels)
    return Report(tuple(findings), class_pixels, void_pixels)


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
        findings.append(
            Finding(
                sample.label_source,
                "image and label have the same size",
                f"image {_size(image)}, label {_size(label)} (height x width)",
                f"resize the label by nearest neighbour or replace "
                f"{sample.image_source}",
            )
        )
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
    orientation = _orientation(header, contents)
    if orientation != 1:
        findings.append(
            Finding(
                source,
                "pixels are stored the way they are shown",
                f"EXIF orientation {orientation}, which would turn the image but not "
                "its label",
                "turn the pixels themselves (ImageOps.exif_transpose of Pillow, or "
                "exiftran -a) or remove the entry, whichever fits the label",
            )
        )
    if header.format == "PNG" and contents[DEPTH] == 16 and image.max() < 16:
        findings.append(
            Finding(
                source,
                "of 16 bits the upper 8 are used",
                f"no value above {image.max()} there: 12 bits or fewer in 16",
                "stretch the values or save 8 bits",
            )
        )
    return image


def _orientation(header: Image.Image, contents: bytes) -> int:
    # Pillow decodes a whole PNG to look for the entry, which few PNGs have.
    if header.format == "PNG" and b"eXIf" not in contents:
        return 1
    try:
        return header.getexif().get(EXIF_ORIENTATION, 1) or 1
    except Exception:  # Pillow raises many kinds on broken EXIF, which says nothing.
        return 1


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


def _only_void_beside(
    dataset: Dataset, class_pixels: np.ndarray, void_pixels: int
) -> list[Finding]:
    """Masks of 0 and 255, which many tools write for two classes."""
    present = np.flatnonzero(class_pixels)
    if len(present) != 1 or len(dataset.classes) == 1 or not void_pixels:
        return []
    share = 100 * void_pixels / (void_pixels + class_pixels.sum())
    return [
        Finding(
            dataset.directory,
            f"labels of {dataset.split} show two classes or more beside void (255)",
            f"only {dataset.classes.names[present[0]]}, and void in {share:.1f} % of "
            "the pixels",
            "if 255 stands for a class, write that class's value instead",
        )
    ]


def _size(array: np.ndarray) -> str:
    return f"{array.shape[0]}x{array.shape[1]}"
