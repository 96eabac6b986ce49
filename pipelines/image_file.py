"""Samples whose picture is a file; where labels come from is theirs to say."""

from pathlib import Path

from hyperseg_tf.base.regular_file import open_regular, read_regular
from hyperseg_tf.pipelines.samples import Sample, header_size


class ImageFileSample(Sample):
    """A sample with the image file `image_source`."""

    image_source: Path

    @property
    def sources(self) -> tuple[str | Path, ...]:
        """The files of image and label."""
        return self.image_source, self.label_source

    def image_bytes(self) -> bytes:
        """The image file as it is."""
        return read_regular(self.image_source)

    def size(self) -> tuple[int, int] | None:
        """(height, width) from the header alone, without reading the file."""
        try:
            with open_regular(self.image_source) as file:
                return header_size(file)
        except (OSError, ValueError):
            return None
