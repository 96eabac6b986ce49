import json
from dataclasses import replace

import pytest

from hyperseg_tf import presets
from hyperseg_tf.network.layout import decoder_layout
from tests.golden import golden_dir

NAMES = {
    "camvid_hyperseg_s": "hyperseg_s_camvid",
    "camvid_hyperseg_l": "hyperseg_l_camvid",
    "cityscapes_hyperseg_m": "hyperseg_m_cityscapes",
    "cityscapes_hyperseg_s": "hyperseg_s_cityscapes",
    "vocsbd_hyperseg_l": "hyperseg_l_voc",
}


@pytest.mark.parametrize(("theirs", "ours"), NAMES.items())
def test_levels_and_heads_are_those_of_the_released_model(theirs, ours):
    spec = json.loads((golden_dir() / "specs" / f"{theirs}.json").read_text())
    levels, heads = decoder_layout(presets.get(ours))
    for level, block in zip(levels, spec["decoder_blocks"], strict=True):
        channels = [level.in_channels, level.hidden, level.filters]
        assert [c for c in channels if c] == block["channels"]
        assert level.size == block["hyper_parameters"]
    for head, layer, size in zip(
        heads,
        spec["weight_layers"],
        spec["hyper_parameters_per_weight_layer"],
        strict=True,
    ):
        assert head.units == size
        assert head.groups == layer["groups"]
        assert head.offset == layer["signal_offset"]
        assert head.channels == layer["signal_channels"]


def test_a_shared_head_serves_its_levels_one_after_the_other():
    levels, heads = decoder_layout(presets.get("hyperseg_s_cityscapes"))
    assert [level.head for level in levels] == [0, 1, 2, 3, 3]
    assert levels[4].start == levels[3].size
    assert heads[3].units == levels[3].size + levels[4].size


def test_the_class_count_changes_the_last_level_alone():
    preset = presets.get("hyperseg_s_camvid")
    levels, _ = decoder_layout(preset)
    other, _ = decoder_layout(replace(preset, num_classes=3))
    assert other[:-1] == levels[:-1]
    assert other[-1].filters == 3


def test_fields_that_do_not_fit_each_other_are_refused():
    preset = presets.get("hyperseg_s_camvid")
    for change, rule in (
        ({"num_classes": 0}, "num_classes must lie in 1..255"),
        ({"kernel_sizes": (1, 1, 3)}, "kernel_sizes must name 5 levels"),
        ({"kernel_sizes": (1, 1, 1, 2, 3)}, "kernel_sizes must be odd"),
        ({"level_channels": (64, 32)}, "all levels but the last"),
        ({"weight_groups": (64, 32)}, "weight_groups must name 5 heads"),
        ({"reductions": (0.25,)}, "reductions must name r1..r5"),
        ({"context_head": "v1.0"}, "context_head must be in"),
    ):
        with pytest.raises(ValueError, match=rule):
            replace(preset, **change)
