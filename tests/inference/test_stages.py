import threading
from contextlib import closing

import pytest

from hyperseg_tf.inference.stages import in_stages

# A stage that waits for another that never comes fails the test, not the machine.
_SECONDS = 20


def _results(stages):
    found = []
    for item, future in stages:
        error = future.exception(_SECONDS)
        found.append((item, error if error else future.result()))
    return found


def test_items_come_in_order_with_what_writing_returned():
    stages = in_stages(
        range(5), lambda i: 10 * i, lambda i, x: x + 1, lambda i, x: (i, x)
    )
    assert _results(stages) == [(i, (i, 10 * i + 1)) for i in range(5)]
    assert _results(in_stages([], None, None, None)) == []


def test_the_next_is_read_and_the_last_written_while_one_is_answered():
    read_next, wrote_last = threading.Event(), threading.Event()

    def read(item):
        if item == 2:
            read_next.set()
        return item

    def answer(item, found):
        if item == 1:
            assert read_next.wait(_SECONDS), "2 is read while 1 is answered"
            assert wrote_last.wait(_SECONDS), "0 is written while 1 is answered"
        return found

    def write(item, found):
        if item == 0:
            wrote_last.set()
        return found

    assert _results(in_stages(range(3), read, answer, write)) == [
        (0, 0),
        (1, 1),
        (2, 2),
    ]


@pytest.mark.parametrize("stage", range(3))
def test_what_a_stage_raises_is_its_items_alone(stage):
    def fail(place):
        def step(item, *found):
            if stage == place and item == 1:
                raise OSError("no")
            return item

        return step

    found = _results(in_stages(range(3), *map(fail, range(3))))
    assert [item for item, _ in found] == [0, 1, 2]
    assert isinstance(found[1][1], OSError)
    assert [result for item, result in found if item != 1] == [0, 2]


def test_what_is_held_alone_meets_no_other_that_is_written():
    writing = []

    def answer(item, found):
        if found is None:
            assert not writing
        return item

    def write(item, found):
        writing.append(item)
        threading.Event().wait(0.02)
        writing.remove(item)
        return item

    stages = in_stages(range(6), lambda i: None if i % 2 else i, answer, write)
    assert _results(stages) == [(i, i) for i in range(6)]


def test_a_stop_ends_what_began_and_begins_nothing_else():
    answered, wrote = [], []

    def answer(item, found):
        if item == 2:
            raise KeyboardInterrupt
        answered.append(item)
        return item

    with pytest.raises(KeyboardInterrupt):
        _results(in_stages(range(9), lambda i: i, answer, lambda i, x: wrote.append(i)))
    assert answered == wrote == [0, 1]
    with closing(in_stages(range(9), lambda i: i, lambda i, x: x, lambda i, x: x)) as s:
        assert next(s)[0] == 0
    assert threading.active_count() < 20
