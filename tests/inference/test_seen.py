import json

import numpy as np
import pytest

from hyperseg_tf.inference.seen import PATCHES, Seen, wanted_pictures


def clusters(seed, patches=40, channels=7):
    """Patches of two kinds, one of them dense."""
    rng = np.random.default_rng(seed)
    dense = 5 + 0.1 * rng.normal(size=(patches // 2, channels))
    wide = -5 + rng.normal(size=(patches - patches // 2, channels))
    return np.concatenate([dense, wide]).astype(np.float32)


@pytest.fixture(scope="module")
def seen():
    return Seen.of([clusters(i) for i in range(12)])


def test_patches_like_those_seen_are_usual(seen):
    percent = seen.percent(seen.unlikeness(clusters(99, 400)))
    assert 35 < np.median(percent) < 65
    assert (percent > 99).mean() < 0.05


def test_between_the_kinds_nothing_was_seen(seen):
    # Nearer to the mean of all than any patch of the training.
    between = np.zeros((3, 7), np.float32)
    assert (seen.percent(seen.unlikeness(between)) == 100).all()


def test_how_far_is_too_far_depends_on_how_dense_the_neighbours_are(seen):
    step = np.zeros(7, np.float32)
    step[0] = 1.5
    near_dense, near_wide = seen.unlikeness(np.stack([5 + step, -5 + step]))
    assert near_dense > 3 * near_wide


def test_it_is_the_same_after_a_detour_by_json(seen):
    again = Seen.from_data(json.loads(json.dumps(seen.as_data())), 7)
    rows = clusters(5).reshape(8, 5, 7)
    scores = again.unlikeness(rows)
    assert scores.shape == (8, 5)
    np.testing.assert_array_equal(scores, seen.unlikeness(rows))
    np.testing.assert_allclose(again.percent(scores), seen.percent(scores), atol=1e-3)


def test_its_data_are_small_for_the_widest_signal():
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(1100, 1536)).astype(np.float32) for _ in range(2)]
    assert len(json.dumps(Seen.of(parts).as_data())) < 600_000


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"shape": [7, 7, 10**9]}, "sizes"),
        ({"shape": [8, 7, 100]}, "sizes"),
        ({"pictures": -1}, "positive"),
        ({"radii": "AAAA"}, "others"),
        ({"axes": 3}, "others"),
        ({"scores": [float("nan")] * 101}, "finite"),
        ({"scores": list(range(101, 0, -1))}, "rise"),
        ({"scores": [1, 2]}, "others"),
    ],
)
def test_data_of_strangers_are_refused(seen, change, word):
    with pytest.raises(ValueError, match=word):
        Seen.from_data({**seen.as_data(), **change}, 7)


def test_nothing_is_made_of_too_little():
    assert Seen.of([]) is None
    assert Seen.of([clusters(0)]) is None
    assert Seen.of([np.ones((9, 7), np.float32)] * 4) is None
    assert Seen.of([clusters(0), np.full((9, 7), np.inf, np.float32)]) is None
    assert Seen.of([clusters(0)[:1], clusters(1)[:1]]) is None


def test_few_patches_and_single_ones_per_picture_are_enough():
    seen = Seen.of([clusters(i)[:1] for i in range(20)])
    assert seen.pictures == 20 and len(seen.places) == 10


def test_more_pictures_are_looked_at_where_they_have_few_patches():
    assert wanted_pictures(1) == 256
    assert wanted_pictures(10**6) == 32
    assert wanted_pictures(PATCHES // 64) == 64
