"""What torch writes is read bit for bit."""

from collections import Counter, OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.convert.torch_reading import FORMATS, save, values


def _torch_values(value):
    """What `values` must give for what torch saved."""
    if isinstance(value, torch.Tensor):
        name = str(value.dtype).removeprefix("torch.").replace("bool", "uint8")
        array = value.detach()
        array = array.float() if value.dtype == torch.bfloat16 else array
        return (
            "tensor",
            name,
            tuple(value.shape),
            array.contiguous().numpy().tobytes(),
        )
    if isinstance(value, dict):
        return {key: _torch_values(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_torch_values, value))
    return value


def _everything():
    torch.manual_seed(0)
    flat = torch.randn(60)
    weight = torch.nn.Parameter(torch.randn(2, 3))
    optimizer = torch.optim.Adam([weight])
    weight.sum().backward()
    optimizer.step()
    state = OrderedDict(
        parameter=weight,
        transposed=torch.randn(3, 4).t(),
        last=torch.randn(2, 5, 3, 3).to(memory_format=torch.channels_last),
        slice=flat[3:9],
        every_third=flat[1::3],
        scalar=torch.tensor(7),
        half=torch.randn(3).half(),
        bfloat=torch.randn(5).bfloat16(),
        double=torch.randn(2).double(),
        small=torch.tensor([1, -2], dtype=torch.int8),
        flags=torch.tensor([True, False]),
        nothing=torch.zeros(0, 3),
    )
    state._metadata = OrderedDict({"": {"version": 1}})
    return {
        "state_dict": state,
        "optimizer": optimizer.state_dict(),
        "scheduler": {"milestones": Counter([3, 3]), "base_lrs": [1e-3], "big": 2**70},
        "best_iou": np.float64(0.75),
        "count": np.int64(-3),
        "size": torch.Size([2, 3]),
        "text": "nötig\n",
        "none": None,
        "nested": [(1, [True, {"a": ()}]), "b"],
    }


@pytest.mark.slow
@FORMATS
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_torch_writes_is_read_bit_for_bit(tmp_path, new, protocol):
    value = _everything()
    path = tmp_path / "größe v1.2: a.pth"
    save(value, path, new, protocol)
    assert values(path) == _torch_values(value)


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text()
    | st.floats(allow_nan=False) | st.binary(max_size=9).map(lambda b: b.hex()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner)
    | st.tuples(inner, inner),
    max_leaves=12,
)  # fmt: skip
_DTYPES = [torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8]


@st.composite
def _tensors(draw):
    """A view of a storage: any shape, strides and offset that torch allows."""
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    strides = draw(st.permutations([1, 2, 9, 40][: len(shape)]))
    offset = draw(st.integers(0, 7))
    flat = torch.arange(300).to(draw(st.sampled_from(_DTYPES)))
    return flat.as_strided(shape, strides, offset)


@pytest.mark.slow
@FORMATS
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_tree_of_tensors_survives(tmp_path_factory, new, data):
    leaves = data.draw(st.dictionaries(st.text(), _PLAIN | _tensors(), max_size=5))
    path = tmp_path_factory.mktemp("tree") / "a.pth"
    save(leaves, path, new, data.draw(st.sampled_from([2, 4])))
    assert values(path) == _torch_values(leaves)
