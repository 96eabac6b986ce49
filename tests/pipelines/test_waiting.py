import time

import tensorflow as tf

from hyperseg_tf.pipelines import Waiting


def slow(number):
    time.sleep(0.02)
    return number


def stream(function):
    numbers = tf.data.Dataset.range(9)
    made = numbers.map(lambda n: tf.numpy_function(function, [n], tf.int64))
    return made.map(lambda n: (n, 10 * n)).prefetch(2)


@tf.function
def ask(batches):
    return next(batches)


def test_what_is_asked_for_faster_than_it_is_made_is_waited_for():
    waiting = Waiting()
    begin = time.perf_counter()
    found = [tuple(map(int, batch)) for batch in waiting.around(stream(slow))]
    assert found == [(n, 10 * n) for n in range(9)]
    # The first may be under way before it is asked for, so not quite all of it.
    assert 0.02 * 9 / 2 <= waiting.seconds <= time.perf_counter() - begin


def test_a_graph_that_asks_late_waits_for_nothing():
    waiting = Waiting()
    batches = iter(waiting.around(stream(slow)))
    ask(batches)
    time.sleep(0.2)
    before = waiting.seconds
    for _ in range(8):
        ask(batches)
        time.sleep(0.06)
    assert waiting.seconds - before < 0.02 * 8 / 2


def test_several_streams_add_up_and_keep_their_length():
    waiting = Waiting()
    assert waiting.around(stream(slow)).cardinality() == 9
    list(waiting.around(stream(slow)))
    once = waiting.seconds
    list(waiting.around(stream(slow)))
    assert once >= 0.02 * 9 / 2 and waiting.seconds >= once + 0.02 * 9 / 2
