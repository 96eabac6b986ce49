import json
from dataclasses import replace

import pytest

from hyperseg_tf import presets
from hyperseg_tf.convert.refused import Refused
from hyperseg_tf.convert.released import arch
from tests.golden import golden_dir

MODELS = {
    "camvid_hyperseg_s": "hyperseg_s_camvid",
    "cityscapes_hyperseg_s": "hyperseg_s_cityscapes",
    "camvid_hyperseg_l": "hyperseg_l_camvid",
    "cityscapes_hyperseg_m": "hyperseg_m_cityscapes",
    "vocsbd_hyperseg_l": "hyperseg_l_voc",
}
_PRESET = presets.get("hyperseg_s_camvid")


def _arch(name):
    return json.loads((golden_dir() / "arch_strings.json").read_text())[name]


@pytest.mark.parametrize("name", MODELS)
def test_the_five_arch_strings_are_the_five_presets(name):
    parsed = arch.parse(_arch(name))
    assert arch.find(parsed).name == MODELS[name]
    again = arch.parse(arch.write(presets.get(MODELS[name])))
    assert arch.differences(again.preset, parsed.preset) == []
    assert again.resolutions == parsed.resolutions


ARCH = (
    "hyperseg.models.hyperseg_v1_0.hyperseg_efficientnet('efficientnet-b1',levels=2,"
    "kernel_sizes=(1,1,1,3,3),level_channels=[64,32,16,16,16],expand_ratio=2,"
    "weight_groups=[64,32,32,16,8],num_classes=12)"
)
WRONG_ARCHS = {
    "levels=2": {
        "levels=2,with_out_fc=True": "with_out_fc=True is another network",
        "levels=2,decoder_groups=2": "decoder_groups=2 is another network",
        "levels=2,decoder_dropout=0.1": "decoder_dropout=0.1 is another network",
        "levels=2,in_nc=4": "in_nc=4 is another network",
        "levels=2,colour='red'": "has no keyword 'colour'",
        "levels=2,unify_level=4": "hyperseg_v1_0 has no keyword 'unify_level'",
        "levels=2,avg_pool=True": "hyperseg_v1_0 has no keyword 'avg_pool'",
        "levels=2,levels=2": "keyword 'levels' is repeated",
        "**{}": "is repeated or starred",
        "*[1]": "is no plain value",
        "levels=two": "'two' is no plain value",
        "levels=1+1": "'1 \\+ 1' is no plain value",
        "levels=len([1,2])": "is no plain value",
        "levels=(lambda: 2)()": "is no plain value",
        "levels=[i for i in (2,)][0]": "is no plain value",
        "levels={1: 2}": "is no plain value",
        "levels=2.0": "levels=2.0 is no integer",
        "levels=True": "levels=True is no integer",
        "levels=0": "levels=0 has no context head",
        "levels=3": "context_levels is 3, not 2",
        "levels=-2": "levels=-2 has no context head",
    },
    "(1,1,1,3,3)": {
        "(1,1,1,3)": "is not 5 positive numbers",
        "(1,1,1,5,5)": "are not 1 or 3",
        "(1,1,1,1,3)": r"kernel_sizes is \(1, 1, 1, 1, 3\), not \(1, 1, 1, 3, 3\)",
    },
    "[64,32,16,16,16]": {
        "[64,32,16]": "names no 5 or 6 levels",
        "None": "names no 5 or 6 levels",
        "[64,32,16,-16,16]": "is not 4 positive numbers",
        f"[{'9' * 400},1,1,1,1]": "is not 4 positive numbers",
    },
    "[64,32,32,16,8]": {
        "[64,32,32,16]": "is not 5 positive numbers",
        "[64,32,32,16,'8']": "is not 5 positive numbers",
        "[64,32,32,16,0]": "is not 5 positive numbers",
        "[999,32,32,16,8]": "999",
    },
    "num_classes=12": {
        "num_classes=0": "is not 1 to 4096",
        "num_classes='12'": "is no integer",
        "num_classes=12,coords_res=[(576,)]": "no pair",
        "num_classes=12,coords_res=[(9**9,576)]": "is no plain value",
        "num_classes=12,coords_res=[(99999,576)]": "a side of 99999 pixels",
        "num_classes=12,coords_res=7": "is no short list",
        "num_classes=12)(": "calls no hyperseg_efficientnet",
        "num_classes=12)]": "is no call",
        "num_classes=12,": None,
    },
    "'efficientnet-b1'": {
        "'efficientnet-b9'": "the backbone is 'efficientnet-b9'",
        "'resnet18'": "the backbone is 'resnet18'",
        "7": "the backbone is 7",
        "model_name='efficientnet-b1'": "it has 0 arguments without a keyword",
        "'efficientnet-b1',False": "it has 2 arguments without a keyword",
        "'efficientnet-b2'": "against hyperseg_s_camvid backbone is efficientnet-b2",
    },
    "hyperseg.models.hyperseg_v1_0.hyperseg_efficientnet": {
        "hyperseg.models.hyperseg_v0_2.hyperseg_efficientnet": "'hyperseg_v0_2'",
        "os.system": "calls no hyperseg_efficientnet",
        "hyperseg.models.hyperseg_v1_0.main": "calls no hyperseg_efficientnet",
        "(lambda *a, **k: 0)": "calls no hyperseg_efficientnet",
        "hyperseg.models.hyperseg_v1_0.hyperseg_efficientnet[0]": "calls no",
        "\0": "is no call",
        "(" * 3000: "is no call",
        "import os; os.system": "is no call",
        "hyperseg.models.hyperseg_v1_0_unify.hyperseg_efficientnet": "unify_level=None",
        "hyperseg.models.hyperseg_v0_1.hyperseg_efficientnet": "'level_channels'",
    },
}


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (old, new, rule)
        for old, many in WRONG_ARCHS.items()
        for new, rule in many.items()
    ],
)
def test_an_arch_string_is_data_and_another_network_is_refused_by_name(old, new, rule):
    text = ARCH.replace(old, new)
    assert text != ARCH
    if rule is None:
        assert arch.find(arch.parse(text)).name == "hyperseg_s_camvid"
        return
    with pytest.raises(Refused, match=rule) as error:
        arch.find(arch.parse(text))
    assert "\n" not in error.value.sentence("a.pth")


def test_values_that_keep_the_network_are_accepted():
    for words in (
        "pretrained=True,weights_path=None",
        "inference_hflip=True,inference_gather='max'",
        "with_out_fc=False,decoder_dropout=None,decoder_groups=1,groups=1",
        "out_feat_scale=0.25",
        "out_feat_scale=[0.25,0.25,0.25,0.25,0.25],level_layers=1",
        "coords_res=None",
    ):
        text = ARCH.replace("levels=2", f"levels=2,{words}")
        assert arch.find(arch.parse(text)).name == "hyperseg_s_camvid"
    older = _arch("vocsbd_hyperseg_l").replace("=16", "=[16,16,16,16,16,16]")
    assert arch.find(arch.parse(older)).name == "hyperseg_l_voc"


def test_architectures_the_authors_have_not_are_not_written():
    for changes, rule in (
        ({"positions": False}, "positions is True, not False"),
        ({"halo": "neighbour"}, "halo is patch, not neighbour"),
        ({"kernel_sizes": (1, 1, 1, 3, 5)}, "are not 1 or 3"),
        ({"context_levels": 1}, "levels=1 has no context head"),
        ({"context_head": "replace", "halo": "neighbour"}, "positive numbers"),
        ({"shared_levels": 2, "weight_groups": (64, 32, 32, 16)}, "weight_groups"),
        ({"backbone": "efficientnet-tiny"}, "efficientnet-tiny"),
    ):
        with pytest.raises(Refused, match=rule):
            arch.write(replace(_PRESET, **changes))
    # Disjoint slices, one head per level: their unified code with nothing unified.
    text = arch.write(replace(_PRESET, overlapping_slices=False))
    assert "hyperseg_v1_0_unify" in text and "unify_level=5" in text


def test_another_class_count_of_the_older_code_divides_the_signal_otherwise():
    # What is true of 21 classes need not be of others; every count must be right or
    # refused, never converted wrongly.
    refused = 0
    for classes in range(1, 60):
        preset = replace(presets.get("hyperseg_l_voc"), num_classes=classes)
        try:
            assert arch.parse(arch.write(preset)).preset.num_classes == classes
        except Refused as error:
            assert "divides the signal" in str(error)
            refused += 1
    assert 0 < refused < 59
