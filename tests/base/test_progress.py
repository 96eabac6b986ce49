import errno
import gc
import io

import pytest

from hyperseg_tf.base.progress import bar, draw, ending_bars, say
from tests.terminal import terminal


@pytest.fixture(autouse=True)
def slow_clock(monkeypatch):
    """Let every call of a bar draw: two are a second apart."""
    seconds = iter(range(10_000))
    monkeypatch.setattr("tqdm.std.time", lambda: next(seconds))


def test_nothing_is_drawn_where_stderr_is_no_terminal(capsys):
    progress = bar("checking")
    for done in (1, 2, 3):
        progress(done, 3)
    assert capsys.readouterr() == ("", "")


def test_bar_counts_to_the_end_and_leaves_the_line(capsys):
    with terminal() as shown:
        progress = bar("checking train")
        for done in (1, 2, 7):
            progress(done, 7)
    assert "1/7" in shown.getvalue() and "2/7" in shown.getvalue()
    line, rest = shown.lines
    assert line.startswith("checking train: 100%") and "7/7" in line and rest == ""
    assert capsys.readouterr() == ("", "")


def test_bar_tells_a_rate_and_the_time_that_is_left():
    with terminal() as shown:
        progress = bar("evaluating")
        for done in (1, 2, 3):
            progress(done, 90)
        assert "it/s" in shown.lines[-1] or "s/it" in shown.lines[-1]
        assert "<?" not in shown.lines[-1]


def test_items_before_the_clock_started_make_no_rate():
    with terminal() as shown:
        progress = bar("evaluating")
        progress(5, 90)
        assert "5/90" in shown.lines[-1] and "<?" in shown.lines[-1]


def test_nothing_to_do_draws_nothing():
    with terminal() as shown:
        bar("evaluating")(0, 0)
    assert shown.getvalue() == ""


def test_bar_serves_a_second_round():
    with terminal() as shown:
        progress = bar("evaluating")
        for done in (1, 2, 1, 2):
            progress(done, 2)
    assert [line.count("2/2") for line in shown.lines] == [1, 1, 0]


@pytest.mark.slow
def test_error_begins_on_a_line_of_its_own():
    with terminal() as shown:
        progress = bar("predicting")
        with pytest.raises(KeyboardInterrupt), ending_bars():
            progress(3, 9)
            raise KeyboardInterrupt
        say("interrupted")
        del progress
        gc.collect()
    first, *rest = shown.lines
    assert "3/9" in first and rest == ["interrupted", ""]


def test_line_is_said_above_the_bar():
    with terminal() as shown:
        drawn = draw("epoch 1/5", 4, done=1)
        say("first step done")
        drawn.update(1)
        drawn.close()
    said, line, _ = shown.lines
    assert said == "first step done"
    assert line.startswith("epoch 1/5") and "2/4" in line


def test_line_is_said_without_a_terminal(capsys):
    say("tracing")
    assert capsys.readouterr() == ("", "tracing\n")


def test_a_line_that_nobody_can_read_ends_nothing(monkeypatch):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr("sys.stderr", Closed())
    say("a line")
