import os

import pytest

from hyperseg_tf import cli
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.reporting.elsewhere import with_evaluations
from hyperseg_tf.reporting.run import read_runs
from tests.reporting.written_run import write_evaluation, write_run


@pytest.fixture
def runs(tmp_path):
    return read_runs([write_run(tmp_path / name) for name in ("a", "b")])


def _names(runs):
    return [[scored.path.name for scored in run.beside.scored] for run in runs]


def test_an_evaluation_is_shown_with_the_run_of_its_model(runs, tmp_path):
    paths = [tmp_path / f"{i}.json" for i in range(4)]
    write_evaluation(paths[0], model=str(tmp_path / "b" / "model.keras"))
    write_evaluation(paths[1], model=str(tmp_path / "x" / ".." / "a" / "latest.keras"))
    write_evaluation(paths[2], model=str(tmp_path / "b"))
    # From another working folder.
    write_evaluation(paths[3], model="somewhere/a/model.keras")
    found = with_evaluations(runs, paths)
    assert _names(found) == [["1.json", "3.json"], ["0.json", "2.json"]]
    assert found[0].beside.scored[0].name == str(paths[1])
    assert _names(runs) == [[], []]


def test_one_that_lies_in_the_folder_is_shown_once(runs, tmp_path):
    write_evaluation(tmp_path / "a" / "scores.json", model="a/model.keras")
    found = read_runs([tmp_path / "a"])
    found = with_evaluations(found, [tmp_path / "b" / ".." / "a" / "scores.json"])
    assert _names(found) == [["scores.json"]]


def test_a_single_run_takes_one_whose_model_lies_nowhere(runs, tmp_path):
    path = tmp_path / "s.json"
    write_evaluation(path, model="/gone/copied.keras")
    assert _names(with_evaluations(runs[:1], [path])) == [["s.json"]]
    with pytest.raises(UserError, match="s.json is of /gone/copied.keras"):
        with_evaluations(runs, [path])


@pytest.mark.parametrize("model", ["b/model.keras", "b"])
def test_one_of_another_run_is_refused(runs, tmp_path, model):
    path = tmp_path / "s.json"
    write_evaluation(path, model=str(tmp_path / model))
    with pytest.raises(UserError, match="name its run"):
        with_evaluations(runs[:1], [path])


def test_what_is_no_evaluation_is_refused(runs, tmp_path):
    path = tmp_path / "s.json"
    for text, said in (("{}", "is another"), ("{", "cannot"), ("[1]", "is another")):
        path.write_text(text)
        with pytest.raises(UserError, match=said):
            with_evaluations(runs, [path])
    with pytest.raises(UserError, match="No such file"):
        with_evaluations(runs, [tmp_path / "nowhere.json"])
    for model in ("\0", 7, None):
        write_evaluation(path, model=model)
        with pytest.raises(UserError, match="name its run"):
            with_evaluations(runs, [path])


def test_an_older_one_is_marked(runs, tmp_path):
    path, model = tmp_path / "s.json", tmp_path / "a" / "model.keras"
    model.write_bytes(b"")
    write_evaluation(path, model=str(model))
    for seconds, older in ((-60, True), (60, False)):
        os.utime(path, 2 * (model.stat().st_mtime + seconds,))
        (scored,) = with_evaluations(runs, [path])[0].beside.scored
        assert scored.is_older == older


def test_the_command_takes_files(runs, tmp_path, capsys):
    paths = [tmp_path / "1.json", tmp_path / "2.json"]
    for path, name in zip(paths, "ab", strict=True):
        write_evaluation(path, model=str(tmp_path / name / "model.keras"), miou=0.512)
    out = tmp_path / "page.html"
    words = ["report", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(out)]
    assert cli.main([*words, "--evaluations", *map(str, paths)]) == 0
    text = out.read_text()
    assert all(str(path) in text for path in paths) and text.count("51.2") >= 2
    assert cli.main([*words, "--overwrite", "--evaluations", str(out)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
