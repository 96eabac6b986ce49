import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import hold_back, join, open_dataset


def test_joined_splits_keep_order_and_refuse_to_mix_encodings(own):
    train, val = open_dataset(own, "train"), open_dataset(own, "val")
    both = join([train, val])
    assert list(both) == [*train, *val] and both.split == "train+val"
    with pytest.raises(UserError, match="encoding"):
        join([train, open_dataset(own, "val", encoding="colour")])


def test_what_is_held_back_is_at_least_one_and_never_all(own):
    data = open_dataset(own, "train")
    for share, held in ((0.01, 1), (0.5, 2), (0.99, 2)):
        rest, back = hold_back(data, share, "val")
        assert (len(rest), len(back), back.split) == (3 - held, held, "val")
        assert {s.name for s in rest} | {s.name for s in back} == {"a b", "c", "Ünï"}
    with pytest.raises(UserError, match="two samples or more: found 1"):
        hold_back(open_dataset(own, "val"), 0.5, "test")
    with pytest.raises(ValueError, match="between 0 and 1"):
        hold_back(data, 1.0, "val")
