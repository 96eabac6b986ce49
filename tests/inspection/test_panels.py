import pytest

from hyperseg_tf.inspection.panels import level_name, plain, widened


@pytest.mark.parametrize("value", [-3.0, 0.0, 1e-9, 7.0])
def test_an_empty_range_is_widened_around_its_value(value):
    low, high = widened(value, value)
    assert low < value < high
    assert widened(value, value + 1) == (value, value + 1)


@pytest.mark.slow
def test_titles_say_kernel_and_size_and_no_formula(found):
    layout = found.levels[0].layout
    side = layout.kernel_size
    expected = f"level 0 ({side}x{side}), {layout.size} weights"
    assert level_name(0, found.levels[0]) == expected
    assert plain("a $b$") == r"a \$b\$"
