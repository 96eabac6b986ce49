import json

import pytest

from hyperseg_tf.network.signal_split import divide_channels
from tests.golden import golden_dir


def test_both_rules_match_the_released_code_on_all_cases():
    cases = json.loads((golden_dir() / "op_divide_feature.json").read_text())
    assert len(cases) == 309
    for case in cases:
        sizes = case["in_feature"], case["min_unit"], case["out_features"]
        assert list(divide_channels(*sizes)) == case["divide_feature"], case
        older = divide_channels(*sizes, rule="proportional")
        assert list(older) == case["divide_feature_legacy"], case


def test_every_head_gets_a_multiple_of_the_unit_and_at_least_one():
    parts = divide_channels(1280, 64, (5248, 3008, 704, 2352, 1))
    assert all(part % 64 == 0 and part >= 64 for part in parts)
    assert sum(parts) == 1280


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ((100, 64, (1, 2)), "must divide channels"),
        ((64, 64, (1, 2)), "too few for 2 weight heads"),
        ((64, 0, (1,)), "must be positive"),
        ((64, 8, ()), "must be positive"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(arguments, rule):
    with pytest.raises(ValueError, match=rule):
        divide_channels(*arguments)


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="rule must be one of"):
        divide_channels(64, 8, (1, 2), rule="fair")
