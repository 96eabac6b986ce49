"""What is said of command lines that are wrong: one line, with what was meant."""

import pytest

from hyperseg_tf import cli


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("traim demo", "got 'traim'; did you mean train? there are train, "),
        ("data chek x", "did you mean check?"),
        ("train demo --out o --epocs 3", "train: error: unknown: --epocs 3; did you"),
        ("train demo --out o --learning_rate=1", "did you mean --learning-rate?"),
        ("data check x --jsn a", "data check: error: unknown: --jsn a; did you mean"),
        ("presets a --zzz", "unknown: --zzz; see hyperseg-tf presets --help"),
        ("evaluate m --data d --split vall", "did you mean val?"),
        ("train demo", "required: --out"),
    ],
)
def test_a_wrong_word_is_one_line_with_the_right_one(words, said, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(words.split())
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert said in line


def test_no_command_at_all_prints_the_help(capsys):
    assert cli.main([]) == 0
    assert "\n    train " in capsys.readouterr().out


def test_outputs_are_tried_before_the_work(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    under = tmp_path / "file" / "x"
    for words in (
        f"evaluate no.keras --data no --json {under}",
        f"evaluate no.keras --data no --draw {tmp_path / 'file'}",
        f"benchmark no.keras --json {under}",
        f"convert no.pth --out {under}",
        f"cluster no.keras --out {under}",
        f"report no --out {under}",
        f"data check no --json {under}",
        f"presets --measure hyperseg_tiny --json {under}",
    ):
        assert cli.main(words.split()) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "output" in line and str(tmp_path / "file") in line
