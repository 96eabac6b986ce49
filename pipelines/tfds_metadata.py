"""What TensorFlow Datasets knows prepared data by."""

from collections.abc import Sequence
from pathlib import Path

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines.readers.prepared import VERSION
from hyperseg_tf.pipelines.records import IMAGE, LABEL, NAME


def require_tfds():
    """The package; a `UserError` where it is missing."""
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise UserError(
            "data are prepared for TensorFlow Datasets: tensorflow_datasets cannot be "
            f"imported ({error}); pip install 'hyperseg_tf[data]'."
        ) from error
    return tfds


def write_metadata(folder: Path, names: Sequence[str], splits: dict) -> None:
    """Write `dataset_info.json` and `features.json`.

    Args:
        names: Of the classes.
        splits: Of the table of samples.
    """
    tfds = require_tfds()
    features = {
        IMAGE: tfds.features.Image(shape=(None, None, 3)),
        LABEL: tfds.features.LabeledImage(
            labels=list(names), shape=(None, None, 1), encoding_format="png"
        ),
        NAME: tfds.features.Text(),
    }
    template = tfds.core.ShardedFileTemplate(
        data_dir=folder,
        template="{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
    )
    tfds.folder_dataset.write_metadata(
        data_dir=folder,
        features=features,
        version=VERSION,
        split_infos=[
            tfds.core.SplitInfo(
                name=split,
                shard_lengths=[len(one["samples"]) for one in shards],
                num_bytes=sum(one["bytes"] for one in shards),
                filename_template=template,
            )
            for split, shards in splits.items()
        ],
        check_data=False,
        supervised_keys=(IMAGE, LABEL),
        description="Pictures with labels for semantic segmentation; 255 is void.",
    )
