import json
from dataclasses import replace

import numpy as np
import pytest

from hyperseg_tf import presets
from hyperseg_tf.inspection.result import PatchGrid
from hyperseg_tf.network.layout import decoder_layout


def test_a_patch_belongs_to_the_picture_if_any_of_it_does():
    grid = PatchGrid(shape=(4, 6), cell=(32, 32), size=(64, 129))
    assert grid.inside == (2, 5)
    assert PatchGrid(shape=(1, 1), cell=(64, 192), size=(5, 7)).inside == (1, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name for name in presets.PRESETS if decoder_layout(presets.get(name))[1]]
)
def test_readers_follow_from_the_slices_of_every_preset(found, name):
    preset = presets.get(name)
    _, heads = decoder_layout(preset)
    channels = 2048  # as many as any backbone has
    it = replace(found, preset=preset, signal=np.zeros(channels))
    assert it.readers.sum() == sum(head.channels for head in heads)
    assert it.readers.max() == (len(heads) if preset.overlapping_slices else 1)
    last = max(head.offset + head.channels for head in heads)
    unused = {c for first, end in it.unused for c in range(first, end + 1)}
    assert unused == set(np.flatnonzero(it.readers == 0).tolist())
    assert it.unused == ([(last, channels - 1)] if last < channels else [])


@pytest.mark.slow
def test_facts_are_the_numbers_and_undefined_ones_are_none(found):
    facts = json.loads(json.dumps(found.facts(), allow_nan=False))
    assert facts["grid"] == [4, 6] and facts["grid_inside_picture"] == [3, 5]
    assert facts["picture"] is None and not facts["random_weights"]
    for level, part in zip(facts["levels"], found.levels, strict=True):
        assert level["norms"][3] == [None] * 6
        np.testing.assert_allclose(
            np.array(level["norms"][:3], float)[:, :5], part.norms[:3, :5], rtol=1e-5
        )
        assert level["norm"]["max"] == pytest.approx(np.nanmax(part.norms), rel=1e-5)
    lines = found.table().splitlines()
    assert len(lines) == 4 + len(found.levels)
    assert f"similarity to {found.compared}" in lines
