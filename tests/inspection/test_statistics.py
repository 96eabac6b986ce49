import numpy as np
import pytest

from hyperseg_tf.inspection.statistics import cosines, norms, principal_components


def _rows(count=11, size=9001):
    # A strong, a middling and a weak direction; more columns than are taken at once.
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(count, 3)) * (9, 4, 1)
    rows = scores @ rng.normal(size=(3, size)) + rng.normal(size=size)
    return (rows + 0.1 * rng.normal(size=rows.shape)).astype("float32")


def test_components_are_those_of_a_singular_value_decomposition():
    rows = _rows()
    components, explained = principal_components(rows)
    centred = rows.astype("float64") - rows.mean(axis=0, dtype="float64")
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(explained, (s**2 / np.sum(s**2))[:3], rtol=1e-6)
    np.testing.assert_allclose(
        np.abs(components), np.abs(u * s)[:, :3], rtol=1e-5, atol=1e-4
    )
    largest = np.abs(components).argmax(axis=0)
    assert (components[largest, range(3)] > 0).all()
    # The same directions, however the axes are turned.
    turned, _ = principal_components(-rows)
    np.testing.assert_allclose(turned, components, rtol=1e-6, atol=1e-6)


def test_axes_of_many_vectors_come_from_a_sample_of_them(monkeypatch):
    rows = _rows(count=60, size=50)
    exact, share = principal_components(rows)
    monkeypatch.setattr("hyperseg_tf.inspection.statistics.MAX_FITTED", 40)
    sampled, sampled_share = principal_components(rows)
    assert sampled.shape == (60, 3)
    np.testing.assert_allclose(sampled_share, share, atol=0.01)
    for one, other in zip(exact.T, sampled.T, strict=True):
        assert abs(np.corrcoef(one, other)[0, 1]) > 0.97


def test_components_that_do_not_exist_are_zero():
    components, explained = principal_components(_rows(count=2))
    assert explained[0] == pytest.approx(1) and (explained[1:] == 0).all()
    np.testing.assert_allclose(components[0], -components[1], rtol=1e-6)
    for rows in (_rows(count=1), np.tile(_rows(count=1), (5, 1)), np.zeros((4, 3))):
        components, explained = principal_components(rows)
        assert np.isnan(explained).all() and (components == 0).all()


def test_cosines_and_norms_are_exact():
    rows = np.array([[3, 4], [-3, -4], [4, -3], [0, 0], [6, 8]], "float32")
    np.testing.assert_array_equal(norms(rows), [5, 5, 5, 0, 10])
    np.testing.assert_allclose(norms(rows[[0, 2]], centred=True), [12.5**0.5] * 2)
    np.testing.assert_allclose(cosines(rows, 0), [1, -1, 0, np.nan, 1], atol=1e-12)
    assert np.isnan(cosines(rows, 3)).all()
    assert cosines(_rows(), 7)[7] == 1.0
