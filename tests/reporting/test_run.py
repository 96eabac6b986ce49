import json
import os

import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.reporting.run import read_run, read_runs
from tests.reporting.written_run import write_evaluation, write_picture, write_run


def test_the_best_epoch_is_the_one_that_is_kept(tmp_path):
    run = read_run(write_run(tmp_path / "a"))
    assert run.best["epoch"] == 2 and run.is_kept
    assert run.class_iou() == {"road": 0.7, "thin pole": 0.5}


def test_before_a_model_is_kept_the_best_so_far_is_shown(tmp_path):
    run = read_run(write_run(tmp_path / "a", best=None, miou=(float("nan"), 0.3, 0.1)))
    assert run.best["epoch"] == 2 and not run.is_kept


def _without_json(folder):
    (folder / "run.json").unlink()


def _no_epoch(folder):
    (folder / "log.csv").unlink()


def _damaged(text):
    return lambda folder: (folder / "log.csv").write_text(text)


def _other_best(folder):
    facts = json.loads((folder / "run.json").read_text())
    facts["best"] = {"epoch": 77, "val_miou": 0.5}
    (folder / "run.json").write_text(json.dumps(facts))


def _no_object(folder):
    (folder / "run.json").write_text('{"environment": [1]}')


def _bad_json(folder):
    (folder / "evaluation.json").write_text("{")


def _no_matrix(folder):
    write_evaluation(folder / "evaluation.json", matrix=[[1, 2], [3, None]])


def _no_latency(folder):
    (folder / "b.json").write_text('{"latencies_ms": [], "median_ms": NaN}')


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_without_json, "has no run.json"),
        (_no_epoch, "has none yet"),
        (_damaged("epoch,step\n1,2\n"), "lacks loss, val_loss, val_miou in row 1"),
        (_damaged("epoch,step,loss\n1,2,x\n"), "one row of numbers per epoch"),
        (_damaged("epoch,step,loss\ninf,2,1\n"), "one row of numbers per epoch"),
        (_damaged("epoch,st"), "has none yet"),
        (_other_best, "best epoch is not in log.csv"),
        (_no_object, "environment is no object"),
        (_bad_json, "can be read"),
        (_no_matrix, "no matrix of its classes"),
        (_no_latency, "no median of a size"),
    ],
)
def test_what_is_no_sound_run_is_one_clear_error(tmp_path, damage, said):
    folder = write_run(tmp_path / "a")
    damage(folder)
    with pytest.raises(UserError, match=said) as refused:
        read_run(folder)
    assert str(folder) in str(refused.value)


def test_a_file_in_place_of_a_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="log.csv is a file; name its folder"):
        read_run(write_run(tmp_path / "a") / "log.csv")


def test_runs_of_one_name_are_told_apart_and_none_is_shown_twice(tmp_path):
    first, second = (write_run(tmp_path / part / "run") for part in ("a", "b"))
    names = [run.name for run in read_runs([first, second])]
    assert names == [str(first), str(second)]
    with pytest.raises(UserError, match="once"):
        read_runs([first, first.parent / "run"])


def test_what_lies_beside_is_told_by_its_contents(tmp_path):
    folder = write_run(tmp_path / "a")
    write_evaluation(folder / "any name.json")
    (folder / "other.json").write_text("[1]")
    timed = {"latencies_ms": [3], "median_ms": 3.5, "size": [64, 96], "device": "CPU"}
    (folder / "speed.json").write_text(json.dumps(timed))
    write_picture(folder / "ends" / "worst_01_street.png")
    write_picture(folder / "overlays" / "epoch_0002.png")
    found = read_run(folder).beside
    assert [scored.path.name for scored in found.scored] == ["any name.json"]
    assert found.scored[0].interval("road") == (0.31, 0.72)
    assert [(t.median_ms, t.size) for t in found.timed] == [(3.5, (64, 96))]
    assert [entry[:2] for entry in found.drawn["ends"]] == [("worst", "street")]
    assert list(found.overlays) == [2]


@pytest.mark.parametrize("value", [1e308, -0.5, True, "0.5", None, [0.5]])
def test_a_score_is_a_share_or_there_is_none(tmp_path, value):
    folder = write_run(tmp_path / "a")
    write_evaluation(folder / "e.json", miou=value, intervals={"miou": [value, 0.7]})
    (scored,) = read_run(folder).beside.scored
    assert scored.miou is None and scored.interval() is None
    assert set(scored.iou.values()) == {None}


def test_a_recipe_may_hold_anything(tmp_path):
    recipe = {"evaluate_split": [], "preset": None, "epochs": {}, "seed": [1]}
    assert read_run(write_run(tmp_path / "a", recipe=recipe)).validation["split"]


def test_an_evaluation_older_than_the_model_is_marked(tmp_path):
    folder = write_run(tmp_path / "a")
    write_evaluation(folder / "evaluation.json")
    (folder / "model.keras").write_bytes(b"")
    os.utime(folder / "evaluation.json", (1e9, 1e9))
    assert read_run(folder).beside.scored[0].is_older


def _against(*numbers, model="b/model.keras"):
    more, *interval = numbers
    return {"model": model, "miou": {"difference": more, "interval": interval}}


@pytest.mark.parametrize(
    ("against", "said"),
    [
        (_against(0.02, 0.01, 0.03), "b/model.keras: +2.00 (+1.00 to +3.00)"),
        (
            _against(0.02, -0.01, 0.03),
            "b/model.keras: +2.00 (-1.00 to +3.00), not told apart",
        ),
        (_against(-0.02, -0.03, -0.01), "b/model.keras: -2.00 (-3.00 to -1.00)"),
        (_against(0.02, 0.01), None),
        (_against(0.02, "x", 7), None),
        ({"miou": None}, None),
        ([], None),
        (None, None),
    ],
)
def test_what_a_model_was_compared_with_is_told(tmp_path, against, said):
    folder = write_run(tmp_path / "a")
    write_evaluation(folder / "s.json", against=against)
    (scored,) = read_run(folder).beside.scored
    assert scored.against == said
