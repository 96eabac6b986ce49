import ast
import json
import re
import zipfile
from collections import Counter, OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.peers import torch_hyperseg
from hyperseg_tf import HyperSeg, UserError, cli, load, presets
from hyperseg_tf.convert import (
    from_pth,
    load_pth,
    to_pth,
)
from hyperseg_tf.convert.released import arch
from hyperseg_tf.convert.released import entries as released
from hyperseg_tf.convert.released.checkpoint import open_checkpoint
from hyperseg_tf.convert.torch_file import writer as torch_writer
from tests.convert.checkpoints import MODELS, assert_same, rows_of
from tests.golden import arrays, golden_dir, state_dict


def _arch(name):
    return json.loads((golden_dir() / "arch_strings.json").read_text())[name]


def _spec(name):
    return json.loads((golden_dir() / "specs" / f"{name}.json").read_text())


def _official(name):
    """The redrawn state dict, with counters that are not all the same."""
    state = OrderedDict((k, torch.from_numpy(v)) for k, v in state_dict(name).items())
    for i, key in enumerate(k for k in state if k.endswith("num_batches_tracked")):
        state[key] = torch.tensor(90_000 if i else 2**40)
    return state


def _released(name, path, prefix="", new=True):
    """Write what the authors' training writes."""
    state = _official(name)
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(3))])
    checkpoint = {
        "epoch": 361,
        "state_dict": OrderedDict((f"{prefix}{k}", v) for k, v in state.items()),
        "optimizer": optimizer.state_dict(),
        "scheduler": {"max_epoch": 90_000, "base_lrs": [1e-3]},
        "best_iou": np.float64(0.7625),
        "arch": _arch(name),
    }
    torch.save(checkpoint, path, _use_new_zipfile_serialization=new)
    return state


def _same_bits(found, want):
    return (found.dtype, found.shape) == (want.dtype, want.shape) and (
        found.numpy().tobytes() == want.numpy().tobytes()
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_released_checkpoint_goes_there_and_back_bit_for_bit(name, tmp_path, capsys):
    new = name != "cityscapes_hyperseg_s"
    state = _released(name, tmp_path / "a.pth", "module." if new else "", new)
    words = ["convert", str(tmp_path / "a.pth"), "--out", str(tmp_path / "m.keras")]
    words += ["--report", str(tmp_path / "m.md")]
    words += ["--activations", str(golden_dir() / f"{name}.npz")]
    assert cli.main([*words, "--preset", MODELS[name]]) == 0
    assert capsys.readouterr().out.split() == [words[3], words[5]]
    rows = rows_of(tmp_path / "m.md")
    assert {row[-1] for row in rows} == {"yes"}
    assert {"feature_5", "signal", "weights_3", "level_4", "logits"} <= {
        row[1] for row in rows
    }
    model = load(tmp_path / "m.keras")
    assert model.preset == replace(presets.get(MODELS[name]), backbone_padding="static")
    seen = set()
    for entry in released.entries(model):
        want = entry.to_keras(state[entry.name].numpy())
        np.testing.assert_array_equal(np.asarray(entry.variable), want)
        seen.add(entry.variable.path)
    assert seen == {weight.path for weight in model.weights}
    back = tmp_path / "back.pth"
    words = ["convert", str(tmp_path / "m.keras"), "--to-pth", "--out", str(back)]
    assert cli.main(words) == 0
    found = torch.load(back, weights_only=True)
    _check_back(name, found, state)
    if MODELS[name] in torch_hyperseg.SETTINGS:
        _check_in_torch(name, found["state_dict"])


def _check_back(name, found, state):
    assert found["arch"] == _arch(name)
    assert (found["epoch"], found["best_iou"]) == (361, 0.7625)
    spec = _spec(name)
    buffers = spec["coordinate_buffers_not_drawn"]
    order = [entry[0] for entry in spec["state_dict"]]
    first = next(i for i, key in enumerate(order) if key.startswith("decoder."))
    assert list(found["state_dict"]) == order[:first] + buffers + order[first:]
    for key in order:
        assert _same_bits(found["state_dict"][key], state[key]), key
    for key in buffers:
        height, width = map(int, key.removeprefix("decoder.coord").split("_"))
        x, y = torch.linspace(-1, 1, width), torch.linspace(-1, 1, height)
        grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1])[None]
        assert _same_bits(found["state_dict"][key], grid), key


def _check_in_torch(name, state):
    """The authors' network, in PyTorch, computes the stored logits from the file."""
    peer = torch_hyperseg.build(MODELS[name]).eval()
    # The peer registers fewer coordinates and does not save them; the rest must fit.
    for key, buffer in peer.named_buffers():
        assert ".coord" not in key or _same_bits(state[key], buffer)
    peer.load_state_dict({key: v for key, v in state.items() if ".coord" not in key})
    gold = arrays(name)
    with torch.inference_mode():
        logits = peer(torch.from_numpy(gold["b/image"])).numpy()
    want = gold["b/logits_stride3"]
    difference = np.abs(logits[:, :, ::3, ::3] - want)
    assert difference.max() <= 2e-4 * np.abs(want).max()


@pytest.mark.slow
def test_a_model_without_a_source_gets_an_arch_of_its_preset(small, small_file):
    found = torch.load(small_file, weights_only=True)
    assert set(found) == {"state_dict", "arch"}
    parsed = arch.parse(found["arch"])
    assert arch.differences(parsed.preset, small.preset) == []
    assert parsed.resolutions == ((64, 64), (64, 96))
    assert parsed.preset.num_classes == 3
    counters = [v for k, v in found["state_dict"].items() if k.endswith("tracked")]
    assert len(counters) > 50 and not any(counters)


@pytest.mark.slow
def test_a_bare_state_dict_needs_a_preset_and_brings_its_classes(
    small, state, tmp_path
):
    path = tmp_path / "bare.pth"
    torch.save(state, path)
    with pytest.raises(UserError, match="without an arch string needs a preset"):
        from_pth(path)
    preset = replace(small.preset, num_classes=12, backbone_padding="same")
    model = from_pth(path, preset)
    assert model.preset == small.preset
    assert model.metadata["released"]["arch"] is None
    assert_same(model, small)


@pytest.mark.parametrize(
    ("what", "wrapped"),
    [
        ("", "module."),
        ("", "module.module."),
        ("", "_orig_mod."),
        ("", "module._orig_mod.module."),
        ("backbone.", "backbone._orig_mod."),
    ],
)
def test_names_of_wrappers_are_taken_off(state, tmp_path, what, wrapped):
    # What becomes of names needs no network, and of each value no more than its start.
    want = {key: value.reshape(-1)[:3].clone() for key, value in state.items()}
    renamed = {key.replace(what, wrapped, 1): value for key, value in want.items()}
    assert len(renamed) == len(want) and not renamed.keys() <= want.keys()
    torch.save(renamed, tmp_path / "a.pth")
    with open_checkpoint(tmp_path / "a.pth") as found:
        assert list(found.state) == list(want)
        for key, value in want.items():
            read = found.float32 if value.dtype == torch.float32 else found.counter
            np.testing.assert_array_equal(read(key), value.numpy().squeeze())


@pytest.mark.slow
def test_a_wrapped_state_dict_fills_a_model(small, other, state, tmp_path):
    wrapped = {f"module._orig_mod.module.{k}": v for k, v in state.items()}
    torch.save(wrapped, tmp_path / "a.pth")
    load_pth(other, tmp_path / "a.pth")
    assert_same(other, small)


def test_other_precisions_become_float32_exactly(other, state, tmp_path):
    dtypes = (torch.float16, torch.bfloat16, torch.float64)
    cast = {key: v.to(dtypes[i % 3]) for i, (key, v) in enumerate(state.items())}
    filled = Counter(cast[entry.name].dtype for entry in released.entries(other))
    assert min(filled[dtype] for dtype in dtypes) > 50
    torch.save(cast, tmp_path / "a.pth")
    load_pth(other, tmp_path / "a.pth")
    for entry in released.entries(other):
        want = cast[entry.name].float().numpy()
        np.testing.assert_array_equal(entry.to_released(), want)
    assert other.metadata["classes"] == [f"class {i}" for i in range(3)]


@pytest.mark.slow
def test_shared_and_strided_storages_are_read(small, other, state, tmp_path):
    names = [k for k, v in state.items() if v.dtype == torch.float32]
    flat = torch.cat([state[k].reshape(-1) for k in names])
    views, place = {}, 0
    for name in names:
        size = state[name].numel()
        views[name] = flat[place : place + size].view(state[name].shape)
        place += size
    four = [k for k in names if state[k].ndim == 4 and "coord" not in k]
    for name in four:
        views[name] = state[name].to(memory_format=torch.channels_last)
    torch.save(views, tmp_path / "a.pth")
    load_pth(other, tmp_path / "a.pth")
    assert_same(other, small)


@pytest.mark.slow
def test_from_preset_takes_a_checkpoint(small, small_file):
    model = HyperSeg.from_preset(
        small.preset, weights=small_file, backbone_padding="static"
    )
    assert_same(model, small)
    with pytest.raises(UserError, match='backbone_padding="static"'):
        HyperSeg.from_preset(small.preset, small_file, backbone_padding="same")
    with pytest.raises(UserError, match="3 classes.*num_classes=3"):
        HyperSeg.from_preset(small.preset, small_file, num_classes=12)
    with pytest.raises(UserError, match="batch normalization"):
        load_pth(small.fold(), small_file)


def _without(state):
    state.pop("backbone._conv_stem.weight")


def _surplus(state):
    state["extra"] = torch.zeros(1)


def _surplus_counter(state):
    state["extra.num_batches_tracked"] = torch.tensor(0)


def _other_shape(state):
    state["backbone._bn0.bias"] = torch.zeros(3)


def _transposed(state):
    key = "backbone._conv_head.weight"
    state[key] = state[key].transpose(0, 1)


def _nan(state):
    state["backbone._bn0.bias"][1] = float("nan")


def _infinite(state):
    state["decoder.level_4.0.bn3.weight"][0] = -float("inf")


def _integers(state):
    state["backbone._bn0.bias"] = torch.ones(32, dtype=torch.int64)


def _lossy(state):
    state["backbone._bn0.bias"] = torch.full((32,), 0.1, dtype=torch.float64)


def _overflowing(state):
    state["backbone._bn0.bias"] = torch.full((32,), 1e300, dtype=torch.float64)


def _half_counter(state):
    state["backbone._bn0.num_batches_tracked"] = torch.tensor(0.5)


MISFITS = {
    _without: r"1 entries missing \['backbone._conv_stem.weight'\]",
    _surplus: r"1 surplus \['extra'\]",
    _surplus_counter: r"1 surplus \['extra.num_batches_tracked'\]",
    _other_shape: r"_bn0.bias must have shape \(32,\) for small: got \(3,\)",
    _transposed: r"_conv_head.weight must have shape \(1280, 320, 1, 1\)",
    _nan: "_bn0.bias holds values that are not finite",
    _infinite: "bn3.weight holds values that are not finite",
    _integers: "_bn0.bias is int64, no float",
    _lossy: "_bn0.bias is float64 and would lose digits",
    _overflowing: "_bn0.bias is float64 and would lose digits",
    _half_counter: "_bn0.num_batches_tracked is no whole number",
}


@pytest.mark.parametrize("spoil", MISFITS)
def test_a_state_dict_that_does_not_fit_sets_nothing(small, state, tmp_path, spoil):
    spoil(state)
    torch.save(state, tmp_path / "a.pth")
    before = small.get_weights()
    with pytest.raises(UserError, match=MISFITS[spoil]) as error:
        load_pth(small, tmp_path / "a.pth")
    message = str(error.value)
    assert "\n" not in message and str(tmp_path / "a.pth") in message
    for found, want in zip(small.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, want)


def test_a_class_count_that_the_weights_deny_builds_nothing(state, tmp_path):
    text = arch.write(presets.get("hyperseg_s_camvid"))
    for classes, rule in (
        (12, r"must have shape \(12,\).*got \(3,\)"),
        (10**9, "num_classes=1000000000 is not 1 to 4096"),
    ):
        own = re.sub("num_classes=12", f"num_classes={classes}", text)
        torch.save({"state_dict": state, "arch": own}, tmp_path / "a.pth")
        with pytest.raises(UserError, match=rule):
            from_pth(tmp_path / "a.pth")


# What the arch string and the preset say.


def test_the_preset_must_agree_field_by_field(tmp_path, small, state):
    torch.save(
        {"state_dict": state, "arch": arch.write(presets.get("hyperseg_s_camvid"))},
        tmp_path / "a.pth",
    )
    with pytest.raises(UserError) as error:
        from_pth(tmp_path / "a.pth", "hyperseg_m_cityscapes")
    message = str(error.value)
    assert "must agree with the checkpoint's arch string" in message
    assert "weight_groups is (64, 32, 32, 16, 8), not (32, 16, 8, 16, 4)" in message
    assert "reductions is (0.25, 0.25, 0.25, 0.25, 0.25), not (1.0, 0.25" in message
    assert "num_classes" not in message and "image_size" not in message
    with pytest.raises(UserError, match="got 'x'; they are"):
        from_pth(tmp_path / "a.pth", "x")
    with pytest.raises(UserError, match="the backbone is 'efficientnet-tiny'"):
        torch.save(state, tmp_path / "a.pth")
        from_pth(tmp_path / "a.pth", "hyperseg_tiny")


# The way back.


@pytest.mark.slow
def test_models_that_the_authors_cannot_load_are_refused(small, tmp_path):
    out = tmp_path / "a.pth"
    for model, rule in (
        (small.fold(), "batch normalization.*folded"),
        (HyperSeg(replace(small.preset, backbone_padding="same")), "'same'"),
    ):
        with pytest.raises(UserError, match=rule):
            to_pth(model, out)
    assert list(tmp_path.iterdir()) == []
    out.write_bytes(b"mine")
    with pytest.raises(UserError, match="--overwrite"):
        to_pth(small, out)
    assert out.read_bytes() == b"mine"
    to_pth(small, out, overwrite=True)
    assert out.stat().st_size > 1e6


@pytest.mark.slow
def test_the_arch_of_the_source_is_kept_while_it_is_true(other, small_file, tmp_path):
    out = tmp_path / "a.pth"
    text = torch.load(small_file, weights_only=True)["arch"]
    mine = text.replace("pretrained=False", "pretrained=True")
    for kept, want in (
        (mine, mine),
        (mine.replace("num_classes=3", "num_classes=4"), text),
        (mine.replace("levels=2", "levels=3"), text),
        ("os.system('x')", text),
        (None, text),
    ):
        other.set_metadata({"released": {"arch": kept, "epoch": [], "best_iou": "x"}})
        to_pth(other, out, overwrite=True)
        found = torch.load(out, weights_only=True)
        assert found["arch"] == want and set(found) == {"state_dict", "arch"}


@pytest.mark.slow
def test_the_written_file_is_aligned_stored_and_reproducible(small, tmp_path):
    to_pth(small, tmp_path / "a.pth")
    to_pth(small, tmp_path / "b.pth")
    data = (tmp_path / "a.pth").read_bytes()
    assert data == (tmp_path / "b.pth").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.pth") as archive:
        assert archive.testzip() is None
        infos = archive.infolist()
        assert archive.read("archive/version") == b"3\n"
        assert archive.read("archive/byteorder") == b"little"
        assert archive.read("archive/data.pkl")[:2] == b"\x80\x02"
    for info in infos:
        assert info.compress_type == zipfile.ZIP_STORED
        start = info.header_offset + 30 + len(info.filename)
        start += int.from_bytes(data[info.header_offset + 28 :][:2], "little")
        assert start % torch_writer.ALIGNMENT == 0
        assert data[start : start + 2] == b"\x80\x02" or "data.pkl" not in info.filename


def test_the_library_needs_no_torch():
    folder = Path(__file__).parents[2] / "hyperseg_tf"
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            names = [alias.name for alias in node.names]
            names += [getattr(node, "module", None) or ""]
            assert not any(n == "torch" or n.startswith("torch.") for n in names), path
