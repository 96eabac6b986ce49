"""What `hyperseg-tf train` makes of its arguments."""

import shlex
from types import SimpleNamespace

import pytest

from hyperseg_tf import cli
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.cli import train

EVERY_OPTION = (
    "--data d --out o --set overlays=3 --set ema=0.5 --weights none "
    "--preset hyperseg_tiny --epochs 3 --batch-size 2 --learning-rate 1e-4 "
    "--split-val 0.1 --read-labels first=1 --devices 2 --save-every 5 "
    "--deterministic --anneal 7 --finish-by 2030-05-06T12:30:00 "
    "--processes 2 --process-id 1 --coordinator h:1 --heartbeat 9"
)


def parsed(words):
    return cli._parser().parse_args(shlex.split(words))


@pytest.mark.parametrize("what", ["demo", "--from runs/old"])
def test_the_command_to_resume_with_is_the_one_that_was_given(what):
    args = parsed(f"train {what} {EVERY_OPTION}")
    again = parsed(train._command(args).removeprefix("hyperseg-tf "))
    assert vars(again) == vars(args)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("--out o", "got neither; give the name of a recipe or --from RUN"),
        ("demo --from r --out o", "got both"),
        ("demo --out o", "name it with --data DIR"),
        ("--from nowhere --out o", "a run has a run.json: nowhere has none"),
    ],
)
def test_what_is_to_be_trained_is_said_once(what, said):
    with pytest.raises(UserError, match=said):
        train.run(parsed(f"train {what}"))


def test_options_are_short_for_fields_of_the_recipe(monkeypatch):
    found = []
    monkeypatch.setattr(
        "hyperseg_tf.training.train.train",
        lambda recipe, *_, **__: (
            found.append(recipe)
            or SimpleNamespace(model="m", best_miou=0.5, best_epoch=1, sparsity=None)
        ),
    )
    words = "--epochs 3 --batch-size 2 --learning-rate 1e-4 --preset hyperseg_s_lite0"
    assert train.run(parsed(f"train demo --data d --out o {words}")) == 0
    (recipe,) = found
    assert (recipe.epochs, recipe.batch_size) == (3, 2)
    assert (recipe.learning_rate, recipe.preset) == (1e-4, "hyperseg_s_lite0")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--processes 2", "--process-id, --coordinator is missing"),
        ("--heartbeat 9", "--processes, --process-id, --coordinator is missing"),
        ("--processes 2 --process-id 2 --coordinator h:1", "process 2 of 2"),
        ("--processes 2 --process-id 0 --coordinator h", "HOST:PORT: got 'h'"),
    ],
)
def test_a_process_says_which_of_how_many_it_is(words, said):
    with pytest.raises(UserError, match=said):
        train.run(parsed(f"train demo --data d --out o {words}"))
