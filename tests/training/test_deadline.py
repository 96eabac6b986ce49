import functools
import itertools
import time
from datetime import datetime, timedelta

import keras
import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.training import callbacks, deadline
from hyperseg_tf.training.deadline import Deadline, Replanned, parse_time
from hyperseg_tf.training.plan import PLAN, Plan
from hyperseg_tf.training.run_folder import RunFolder
from hyperseg_tf.training.state import Position
from hyperseg_tf.training.train import train
from tests.training.tiny_run import build, recipe

NOW = datetime(2030, 5, 6, 12, 30)


class Run:
    """Steps and validations on a clock of their own, as `fit` would call for them."""

    def __init__(self, minutes, step_seconds=10.0, validation_seconds=20.0):
        self.now = NOW.timestamp()
        # Ten epochs of twenty steps: 2,200 s.
        plan = Plan(recipe(epochs=10, samples_per_epoch=40))
        self.position = Position(0, plan)
        self.facts, self.saves = {}, []
        self.step_seconds = step_seconds
        self.validation_seconds = validation_seconds
        end = datetime.fromtimestamp(self.now + 60 * minutes)
        clock = lambda: self.now  # noqa: E731
        deadline = Deadline(end, self.position, self, self.facts, 1.0, clock)
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        deadline.set_model(model)
        self.deadline, self.model = deadline, model

    def save(self):
        self.saves.append(self.position.step)

    def go(self):
        """Train to the end; the seconds that it took."""
        while self.position.step < self.position.plan.until:
            first, end, steps = next(self.position.plan.spans(self.position.step))
            self.deadline.on_train_begin()
            try:
                for epoch in range(first, end):
                    self.deadline.on_epoch_begin(epoch)
                    for _ in range(steps):
                        self.now += self.step_seconds
                        self.position.step += 1
                        self.deadline.on_train_batch_end(0)
                    self.now += self.validation_seconds
            except Replanned:
                pass
        return self.now - NOW.timestamp()


def test_a_run_that_is_ready_in_time_is_as_it_was():
    run = Run(minutes=40)
    assert run.go() == 2200
    assert run.position.plan.as_data() == [] and run.saves == []


@pytest.mark.parametrize("minutes", [5, 15, 30])
def test_a_run_that_takes_longer_is_annealed_to_be_ready(minutes, capsys):
    run = Run(minutes)
    seconds = run.go()
    assert 0.85 * 60 * minutes <= seconds <= 60 * minutes
    assert run.facts[PLAN] == run.position.plan.as_data() != []
    assert run.saves[0] == run.position.plan.stages[1].start
    assert float(run.model.optimizer.learning_rate) >= 0  # its schedule is the plan's
    assert "annealing from step" in capsys.readouterr().err


def test_a_machine_that_becomes_slower_shortens_the_run_again():
    run = Run(minutes=20)
    original = run.deadline.on_train_batch_end

    def slower(batch):
        run.step_seconds = 10 if run.position.step < 50 else 25
        original(batch)

    run.deadline.on_train_batch_end = slower
    assert run.go() <= 1.05 * 20 * 60
    assert len(run.saves) > 1


def test_a_machine_that_becomes_quicker_lets_it_be_longer_but_not_than_it_was():
    run = Run(minutes=25, step_seconds=30)
    original = run.deadline.on_train_batch_end

    def quicker(batch):
        run.step_seconds = 30 if run.position.step < 12 else 5
        original(batch)

    run.deadline.on_train_batch_end = quicker
    run.go()
    assert run.position.plan.until == 200


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("18:30", datetime(2030, 5, 6, 18, 30)),
        ("09:05", datetime(2030, 5, 7, 9, 5)),
        ("2030-05-06T12:31:10", datetime(2030, 5, 6, 12, 31, 10)),
        ("2030-05-07 01:00", datetime(2030, 5, 7, 1)),
        ("45m", datetime(2030, 5, 6, 13, 15)),
        ("1h30m", datetime(2030, 5, 6, 14)),
        ("1.5H", datetime(2030, 5, 6, 14)),
        ("90s", datetime(2030, 5, 6, 12, 31, 30)),
    ],
)
def test_times_are_read(text, found):
    assert parse_time(text, NOW) == found


@pytest.mark.parametrize(
    "text", ["", "soon", "45", "m", "0m", "25:00", "1h30", "2030-05-06"]
)
def test_what_is_no_time_ahead_is_refused(text):
    with pytest.raises(UserError, match="a time to finish by is a clock time"):
        parse_time(text, NOW)


@pytest.mark.slow
def test_a_run_without_time_is_shortened_and_ready(data, tmp_path, monkeypatch):
    monkeypatch.setattr(deadline, "_FIRST", 2)
    # A second passes between two looks at this clock, whoever uses the machine.
    ticks = itertools.count(time.time())
    ours = functools.partial(Deadline, clock=lambda: next(ticks))
    monkeypatch.setattr(callbacks, "Deadline", ours)
    out = tmp_path / "run"
    end = datetime.now() + timedelta(seconds=120)
    result = train(
        recipe(epochs=10_000, overlays=0), data, out, finish_by=end, build=build
    )
    facts = RunFolder(out).read_facts()
    stage = facts["plan"][-1]
    assert stage["kind"] == "anneal" and result.log[-1]["step"] == stage["until"]
    assert next(ticks) <= end.timestamp()
    model = keras.models.load_model(out / "latest.keras")
    assert int(model.optimizer.iterations) == stage["until"]


def test_a_time_that_is_over_is_refused(data, tmp_path):
    with pytest.raises(UserError, match="a time to finish by lies ahead"):
        train(recipe(), data, tmp_path / "run", finish_by=datetime(2020, 1, 1))
    assert not (tmp_path / "run").exists()
