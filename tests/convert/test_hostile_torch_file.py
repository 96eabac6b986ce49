"""No file of torch, hostile or damaged, does more than be read or refused."""

import pickle
import random
from collections import OrderedDict

import numpy as np
import pytest
import torch

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.convert.released.checkpoint import open_checkpoint
from hyperseg_tf.convert.torch_file import nesting, pickle_data
from hyperseg_tf.convert.torch_file import zip_format as torch_zip
from tests.convert.hostile_torch import (
    DICT,
    FILES,
    HOSTILE,
    LEGACY,
    PICKLES,
    SYSTEM,
    ZIP,
    edit,
)
from tests.convert.torch_bytes import (
    FOUR,
    call,
    many,
    program,
    text,
    zipped,
)
from tests.convert.torch_reading import FORMATS, at_most, save, values


def test_there_are_many_hostile_files_and_the_good_ones_are_good(tmp_path):
    assert len(PICKLES) + len(FILES) > 40
    for good in (ZIP, LEGACY):
        (tmp_path / "a.pth").write_bytes(good)
        wanted = ("tensor", "float32", (4,), FOUR)
        assert values(tmp_path / "a.pth") == {"state_dict": {"x": wanted}}


@pytest.mark.parametrize(
    "case",
    [
        # Every operation of pickle there is: seconds.
        pytest.param(case, marks=pytest.mark.slow if "opcodes" in case else [])
        for case in HOSTILE
    ],
)
def test_a_hostile_file_gives_one_error_and_nothing_else(tmp_path, case):
    from hyperseg_tf.convert import pth_to_keras

    canary = tmp_path / "canary"
    path = tmp_path / "hostile.pth"
    path.write_bytes(HOSTILE[case](canary))
    with at_most(64), pytest.raises(UserError) as error:
        pth_to_keras(path, tmp_path / "out.keras", report=tmp_path / "out.md")
    message = str(error.value)
    assert "\n" not in message and len(message) < 600, message
    assert str(path) in message and message.count(": ") >= 2 and "; " in message
    assert [file.name for file in tmp_path.iterdir()] == ["hostile.pth"]


def test_messages_name_the_opcode_and_the_global(tmp_path):
    for body, words in (
        (program(call("os", "system", text("x"))), "global 'os.system'"),
        (program(SYSTEM + many() + pickle.NEWOBJ), "global 'os.system'"),
        (program(pickle.EXT1 + b"\x01"), "opcode EXT1"),
        (program(DICT + DICT + pickle.BUILD), "opcode BUILD"),
        (program(pickle.LONG4 + bytes(4)), "opcode LONG4"),
    ):
        (tmp_path / "a.pth").write_bytes(zipped(body))
        with pytest.raises(UserError, match=words):
            values(tmp_path / "a.pth")


@FORMATS
def test_a_damaged_file_gives_an_error_or_the_right_values(tmp_path, new):
    path = tmp_path / "a.pth"
    value = {
        "epoch": 3,
        "state_dict": OrderedDict(a=torch.randn(2, 3), b=torch.ones(2).half()),
        "arch": "hyperseg",
        "best_iou": np.float64(0.5),
    }
    save(value, path, new)
    good, want = path.read_bytes(), values(path)
    rng = random.Random(0)
    accepted = 0
    for trial in range(300):
        data = bytearray(good)
        for _ in range(1 + trial % 3):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        try:
            found = values(path)
        except UserError as error:
            assert "\n" not in str(error)
            continue
        accepted += 1
        # Only the zip format has checksums; in the older one a flipped weight is as
        # good as any other.
        assert not new or found == want
    assert accepted < 240
    for end in range(0, len(good), 7):
        path.write_bytes(good[:end])
        with pytest.raises(UserError):
            values(path)


@FORMATS
def test_only_tensors_that_are_asked_for_cost_memory(tmp_path, new):
    path = tmp_path / "a.pth"
    state = OrderedDict((f"x{i}", torch.randn(1 << 16)) for i in range(16))
    moments = {i: torch.randn(1 << 20) for i in range(16)}
    save({"state_dict": state, "optimizer": {"state": moments}}, path, new)
    assert path.stat().st_size > 17 * 4 << 20
    # The state dict has 4 MiB.
    with at_most(6), open_checkpoint(path) as found:
        values = [found.float32(name) for name in found.state]
    assert sum(value.nbytes for value in values) == 4 << 20


def test_a_needle_in_a_large_storage_is_refused(tmp_path):
    flat = torch.zeros(1 << 22)
    torch.save({"x": flat[:: 1 << 20]}, tmp_path / "a.pth")
    with pytest.raises(UserError, match="spread over"):
        values(tmp_path / "a.pth")


def test_a_slice_is_read_and_its_whole_storage_checked(tmp_path):
    path = tmp_path / "a.pth"
    flat = torch.arange(1 << 19).float()
    torch.save({"x": flat[5:9]}, path)
    assert values(path)["x"][3] == np.arange(5, 9, dtype="float32").tobytes()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1  # far from the slice
    path.write_bytes(data)
    with pytest.raises(UserError, match="fails its checksum"):
        values(path)


def test_a_wrong_checksum_is_found_when_a_tensor_is_read(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(edit(ZIP, b"PK\x01\x02", 16, "<L", 1))
    with pytest.raises(UserError, match="storage 0 fails its checksum"):
        values(path)


def test_limits_are_limits(tmp_path, monkeypatch):
    path = tmp_path / "a.pth"
    path.write_bytes(ZIP)
    for module, name, value in (
        (torch_zip, "MAX_PICKLE", 50),
        (torch_zip, "MAX_DIRECTORY", 50),
        (pickle_data, "MAX_OPCODES", 20),
        (pickle_data, "MAX_STACK", 4),
        (nesting, "MAX_DEPTH", 1),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            with pytest.raises(UserError):
                values(path)
    assert values(path)


def test_a_missing_file_is_one_line(tmp_path):
    for path in (tmp_path / "no.pth", tmp_path):
        with pytest.raises(UserError, match="is no file"):
            values(path)
