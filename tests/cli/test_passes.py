import argparse

import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.cli.passes import add_passes, passes_of
from hyperseg_tf.cli.size import size
from hyperseg_tf.inference.passes import Passes


def parsed(*words):
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=size)
    add_passes(parser)
    return passes_of(parser.parse_args(words))


def test_options_are_passes():
    assert parsed() == Passes()
    words = "--window 64x96 --overlap 0.5 --scales 0.5,1 --flip max".split()
    wanted = Passes(window=(64, 96), overlap=0.5, scales=(0.5, 1.0), flip="max")
    assert parsed(*words) == wanted


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--scales 1,x", "numbers with commas between: got '1,x'"),
        ("--scales 0", "scales are positive"),
        ("--overlap 1", "overlap is a share"),
        ("--window 64x64 --size 64x64", "leave out one"),
    ],
)
def test_passes_that_cannot_be_are_one_line(words, message):
    with pytest.raises(UserError, match=message):
        parsed(*words.split())
