import io

import h5py
import numpy as np
import pytest

from hyperseg_tf.base import hdf5
from hyperseg_tf.base.hdf5 import HDF5Error


def _file(fill):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        fill(file)
    return h5py.File(buffer, "r"), buffer.getbuffer().nbytes


def test_plain_arrays_are_found_by_their_path():
    def fill(file):
        file["a/b/c"] = np.arange(7, dtype="float16")
        file["a/d"] = np.int64(3)
        file.create_group("empty/group")

    found = hdf5.scan(*_file(fill))
    assert sorted(found) == ["a/b/c", "a/d"]
    np.testing.assert_array_equal(found["a/b/c"][()], np.arange(7))


def test_arrays_that_share_their_bytes_may_not_claim_more_than_the_file():
    def fill(file):
        file["a"] = np.zeros(1000, "float32")
        for i in range(20):
            file[f"again{i}"] = file["a"]

    with pytest.raises(HDF5Error, match="arrays claim 84000 bytes, the file has"):
        hdf5.scan(*_file(fill))


@pytest.mark.parametrize(
    ("fill", "rule"),
    [
        (lambda f: f.__setitem__("a", h5py.SoftLink("/b")), "'a' is a link"),
        (lambda f: f.__setitem__("a", h5py.ExternalLink("x.h5", "b")), "is a link"),
        (lambda f: f.__setitem__("a/again", f["/"]), "part of a loop"),
        (lambda f: f.create_dataset("a", (9,), "f4", chunks=(3,)), "in pieces"),
        (lambda f: f.create_dataset("a", (9**9,), "f4"), "claims 1549681956 bytes"),
        (lambda f: f.__setitem__("a", np.zeros(3, "complex64")), "no numbers"),
        (lambda f: f.__setitem__("a", "text"), "no numbers"),
        (lambda f: f.__setitem__("a", np.dtype("f4")), "no array"),
        (lambda f: f.create_dataset("a", data=h5py.Empty("f4")), "shape None"),
    ],
)
def test_anything_else_is_refused(fill, rule):
    with pytest.raises(HDF5Error, match=rule):
        hdf5.scan(*_file(fill))
