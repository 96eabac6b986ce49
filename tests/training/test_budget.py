"""A recipe fitted to the time there is."""

import pytest

from hyperseg_tf import recipes
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.training import budget
from hyperseg_tf.training.budget import ENOUGH, Measured, fit, settings
from hyperseg_tf.training.deadline import seconds_of
from hyperseg_tf.training.train import train
from tests.training import tiny_run

OWN = recipes.get("own_folder")


def _taken(fitted, measured, validation):
    """Seconds that a run takes by the same measure."""
    height, width = fitted["crop"]
    each = measured.seconds * height * width / 384**2
    if fitted["preset"] == budget.SMALL:
        each *= 0.85
    per_validation = 0.4 * measured.seconds * validation
    samples = fitted["epochs"] * fitted["samples_per_epoch"]
    return samples * each + fitted["epochs"] * per_validation + measured.starting


@pytest.mark.parametrize("seconds", [240, 600, 1200, 3600, 12 * 3600])
@pytest.mark.parametrize("sample", [0.02, 0.3, 2.0])
@pytest.mark.parametrize("validation", [3.0, 60.0])
def test_the_run_fits_and_what_time_there_is_is_used(seconds, sample, validation):
    measured = Measured(sample, starting=20.0)
    fitted = fit(OWN, measured, seconds, validation)
    taken = _taken(fitted, measured, validation)
    whole = fitted["epochs"] * fitted["samples_per_epoch"]
    at_least_half = taken > 0.5 * (seconds - 40) or whole > 0.95 * 40 * 1000
    assert taken <= seconds or whole == 8 * fitted["batch_size"] // 3 * 3
    assert at_least_half or fitted["epochs"] == 3
    changed = recipes.replace_from_strings(OWN, settings(OWN, fitted))
    assert changed.preset == fitted["preset"]
    assert changed.epochs * changed.samples_per_epoch == whole
    assert changed.warmup_steps <= max(
        changed.steps_per_epoch * changed.epochs // 10, 1
    )


def test_crops_shrink_before_the_network_and_before_there_are_too_few():
    quick = fit(OWN, Measured(0.01, 5.0), 3600, 3.0)
    assert quick["crop"] == (384, 384) and quick["preset"] == OWN.preset
    middle = fit(OWN, Measured(1.0, 5.0), 1200, 3.0)
    assert 192 <= middle["crop"][0] < 384 and middle["preset"] == OWN.preset
    assert middle["epochs"] * middle["samples_per_epoch"] >= 0.9 * ENOUGH
    slow = fit(OWN, Measured(3.0, 5.0), 1200, 3.0)
    assert slow["crop"] == (192, 192) and slow["preset"] == budget.SMALL


def test_too_little_time_is_refused():
    with pytest.raises(UserError, match="needs time for a few steps: .* give more"):
        fit(OWN, Measured(1.0, 60.0), 100, 3.0)


def test_nothing_is_changed_where_there_is_time():
    fitted = fit(OWN, Measured(0.001, 1.0), 1e6, 3.0)
    assert {s.split("=")[0] for s in settings(OWN, fitted)} <= {
        "epochs",
        "samples_per_epoch",
    }


@pytest.mark.parametrize(
    "changes", [{"train": OWN.train[2:]}, {"train": OWN.train[:2] + OWN.train[1:]}]
)
def test_a_recipe_without_one_crop_is_refused(changes, tmp_path):
    from dataclasses import replace

    with pytest.raises(UserError, match="by its one RandomCrop"):
        budget.fitted_settings(replace(OWN, **changes), tmp_path, 60)


def test_crops_are_no_larger_than_the_pictures(tmp_path):
    bounded = budget._bounded(OWN, 200, 1000)
    crop = budget._crop_of(bounded)
    assert (crop.height, crop.width) == (224, 384)
    tiny_run.write_data(tmp_path / "data")
    from hyperseg_tf.training.task import Task

    task = Task.open(tiny_run.recipe(), tmp_path / "data")
    assert budget._median_size(task) == (13, 17)
    broken = tmp_path / "data/val/images/0.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(UserError, match="0.png cannot be read .*data check"):
        budget._median_size(task)


@pytest.mark.slow
def test_a_run_goes_on_as_it_was_fitted(tmp_path):
    tiny_run.write_data(tmp_path / "data")
    own = tiny_run.recipe(epochs=40, samples_per_epoch=500)
    fitted = budget.fitted_settings(own, tmp_path / "data", 600, tiny_run.build)
    changed = recipes.replace_from_strings(own, fitted)
    assert changed.epochs * changed.samples_per_epoch <= 20_000
    short = recipes.replace_from_strings(
        own, ["epochs=2", "samples_per_epoch=6", "train.1.height=11", "warmup_steps=0"]
    )
    assert budget.settings_of_run(own, tmp_path / "run") == []
    train(short, tmp_path / "data", tmp_path / "run", build=tiny_run.build)
    found = budget.settings_of_run(own, tmp_path / "run")
    assert recipes.replace_from_strings(own, found) == short


@pytest.mark.parametrize("text", ["", "20", "h", "18:30", "-5m", "5x", "nan m"])
def test_a_time_is_a_duration(text):
    with pytest.raises(UserError, match="written 45m"):
        seconds_of(text)
    assert seconds_of("1h30m") == 5400
