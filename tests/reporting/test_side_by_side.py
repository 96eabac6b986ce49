from hyperseg_tf.reporting.costs import Costs
from hyperseg_tf.reporting.run import read_runs
from hyperseg_tf.reporting.side_by_side import seeds, side_by_side
from tests.reporting.written_run import write_evaluation, write_run


def _page(runs):
    anchors = [f"run-{i}" for i in range(len(runs))]
    return side_by_side(runs, [Costs()] * len(runs), anchors)


def _runs(tmp_path, **options):
    return read_runs(
        [write_run(tmp_path / name, **given) for name, given in options.items()]
    )


def test_seeds_of_one_recipe_have_a_mean_and_a_deviation(tmp_path):
    runs = _runs(
        tmp_path,
        a={"seed": 0, "miou": (0.5,)},
        b={"seed": 1, "miou": (0.6,)},
        c={"seed": 2, "miou": (0.7,)},
    )
    assert [[run.name for run in group] for group in seeds(runs)] == [["a", "b", "c"]]
    assert "60.00 ± 10.00" in _page(runs)


def test_another_recipe_or_the_same_seed_is_no_group(tmp_path):
    other = {"recipe": {"preset": "hyperseg_tiny", "epochs": 10, "seed": 1}}
    runs = _runs(tmp_path, a={}, b=other, c={"seed": 0})
    assert seeds(runs) == []
    assert "±" not in _page(runs)


def test_a_run_that_was_made_longer_is_no_seed_of_one_that_was_not(tmp_path):
    stage = {"start": 90, "until": 120, "origin": 0, "initial": 1e-3, "kind": "extend"}
    runs = _runs(
        tmp_path, a={"plan": []}, b={"seed": 1, "plan": [stage]}, c={"seed": 2}
    )
    assert [[run.name for run in group] for group in seeds(runs)] == [["a", "c"]]


def test_what_changes_no_weights_does_not_part_seeds(tmp_path):
    recipe = {"preset": "hyperseg_tiny", "epochs": 9, "seed": 1, "overlays": 8}
    first = {"recipe": {**recipe, "seed": 0, "overlays": 3}}
    runs = _runs(tmp_path, a=first, b={"recipe": recipe})
    assert len(seeds(runs)) == 1


def test_scores_of_other_data_stand_in_another_table(tmp_path):
    other = {"data": {"directory": "/data/other", "evaluate_samples": 3}}
    runs = _runs(tmp_path, a={}, b={"seed": 1}, c=other)
    page = _page(runs)
    assert page.count("Validation of the training: ") == 2
    assert page.count("/data/other") == 1


def test_evaluations_under_two_protocols_are_never_in_one_table(tmp_path):
    runs = [write_run(tmp_path / name, seed=i) for i, name in enumerate("ab")]
    write_evaluation(runs[0] / "e.json")
    write_evaluation(runs[1] / "e.json", protocol="camvid12")
    page = _page(read_runs(runs))
    assert page.count("Evaluation: ") == 2
    assert "Evaluation: camvid12 on mine val" in page
    write_evaluation(runs[1] / "e.json", miou=0.65)
    page = _page(read_runs(runs))
    assert page.count("Evaluation: ") == 1 and "60.00 ± 7.07" in page
