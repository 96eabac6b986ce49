import pytest

from hyperseg_tf.base.names import did_you_mean

NAMES = ["learning_rate", "batch_size", "own_folder", "camvid11-360x480"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("learning_rat", "learning_rate"),
        ("lr", "learning_rate"),
        ("bs", "batch_size"),
        ("own-folder", "own_folder"),
        ("OWN_FOLDER", "own_folder"),
        ("camvid11_360x480", "camvid11-360x480"),
    ],
)
def test_the_nearest_name_is_guessed_as_it_is_written(typed, meant):
    assert did_you_mean(typed, NAMES) == f"did you mean {meant}? "


def test_nothing_is_guessed_where_nothing_is_like_it():
    assert did_you_mean("xyz", NAMES) == did_you_mean("a", []) == ""
