from dataclasses import replace

import numpy as np
import pytest

from hyperseg_tf import HyperSeg
from hyperseg_tf.convert.released import entries as released
from tests.golden import state_dict


@pytest.mark.slow
def test_a_released_state_that_does_not_fit_is_refused():
    model = HyperSeg.from_preset("hyperseg_tiny")
    entries = {
        e.name: np.zeros(e.released_shape, "float32") for e in released.entries(model)
    }
    released.assign(model, {**entries, "decoder.coord64_64": np.zeros(3)})
    short = dict(entries)
    short.pop("backbone._conv_stem.weight")
    with pytest.raises(ValueError, match="1 entries missing .*_conv_stem"):
        released.assign(model, short)
    with pytest.raises(ValueError, match="1 surplus .*extra"):
        released.assign(model, {**entries, "extra": np.zeros(1)})
    wrong = {**entries, "backbone._bn0.bias": np.zeros(3, "float32")}
    with pytest.raises(ValueError, match=r"_bn0.bias must have shape \(16,\)"):
        released.assign(model, wrong)


@pytest.mark.slow
def test_released_layouts_go_back_and_forth():
    state = state_dict("camvid_hyperseg_s")
    model = HyperSeg.from_preset("hyperseg_s_camvid")
    names = set()
    for entry in released.entries(model):
        assert state[entry.name].shape == entry.released_shape
        assert entry.to_keras(state[entry.name]).shape == tuple(entry.variable.shape)
        names.add(entry.name)
    left = {n for n in state if n not in names}
    assert all(name.endswith("num_batches_tracked") for name in left)


@pytest.mark.slow
def test_deeper_context_heads_are_fused_from_the_same_entries(small):
    model = HyperSeg(replace(small.preset, context_levels=4))
    head = model.get_layer("context_head")
    table = {entry.name: entry.variable for entry in released.entries(model)}
    # Their up block i makes the map of level i from the one below, as our fusion i + 1.
    for i in range(3):
        kernel = head.get_layer(f"fuse{i + 1}_conv").kernel
        assert table[f"weight_mapper.up_blocks.{i}.0.weight"] is kernel
