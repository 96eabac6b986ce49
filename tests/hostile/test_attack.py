"""A part of `make attack`; models are tried in network/test_model_file.py, too."""

import pytest

from tests.hostile.attack import run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "every", "at_least"),
    [("models", 96, 5), ("pictures", 80, 12), ("requests", 16, 15)],
)
def test_what_is_hostile_does_no_harm_in_a_process_with_limits(kind, every, at_least):
    attack = run((kind,), every=every)
    assert attack.counts[f"{kind} tried"] >= at_least
    assert attack.failures == []
