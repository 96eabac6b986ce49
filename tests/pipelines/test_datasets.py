import pytest

from hyperseg_tf.base.errors import UserError
from pipelines import join, open_dataset


def test_joined_splits_keep_order_and_refuse_to_mix_encodings(own):
    train, val = open_dataset(own, "train"), open_dataset(own, "val")
    both = join([train, val])
    assert list(both) == [*train, *val] and both.split == "train+val"
    with pytest.raises(UserError, match="encoding"):
        join([train, open_dataset(own, "val", encoding="colour")])
