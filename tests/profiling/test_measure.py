import json
from dataclasses import replace

import pytest

from hyperseg_tf import presets
from hyperseg_tf.cli import main
from hyperseg_tf.profiling.measure import measure


@pytest.mark.slow
def test_lines_are_shown_as_they_are_known_and_the_table_is_all_of_them(tmp_path):
    lines = []
    tiny = presets.get("hyperseg_tiny")
    static = replace(tiny, name="static", dynamic=False, weight_groups=())
    names = ["hyperseg_tiny", "static"]
    measurement = measure([tiny, static], lines.append)
    assert [line.split()[0] for line in lines[:3]] == ["preset", *names]
    assert measurement.table() == "\n".join(lines)
    assert [count.preset.name for count in measurement.counts] == names
    measurement.write_json(tmp_path / "deep" / "counts.json")
    facts = json.loads((tmp_path / "deep" / "counts.json").read_text())
    assert [row["parameters"] for row in facts] == [
        count.parameters for count in measurement.counts
    ]


def test_nothing_to_count_is_refused():
    with pytest.raises(ValueError, match="got none"):
        measure([])


@pytest.mark.slow
def test_the_command_prints_figures_notes_and_json(tmp_path, capsys):
    target = tmp_path / "counts.json"
    name = "hyperseg_s_cityscapes"
    assert main(["presets", name, "--measure", "--json", str(target)]) == 0
    out = capsys.readouterr().out
    assert "10,041,398" in out
    assert "17.0 -0.8%" in out
    assert "shares one weight head" in out
    (facts,) = json.loads(target.read_text())
    assert facts["parameters"] == 10_041_398
    assert facts["macs"]["generation"] > 0


def test_the_command_refuses_unknown_names_and_json_without_counts(capsys, tmp_path):
    assert main(["presets", "hyperseg_xl"]) == 2
    assert "got 'hyperseg_xl'" in capsys.readouterr().err
    assert main(["presets", "--json", str(tmp_path / "x.json")]) == 2
    assert "give both" in capsys.readouterr().err
