import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hyperseg_tf.base import stopping
from hyperseg_tf.base.stopping import Stopped, raising, stoppable

ROOT = Path(__file__).parents[2]


def _send(number):
    os.kill(os.getpid(), number)
    for _ in range(100):
        time.sleep(0.01)


@pytest.mark.parametrize("number", stopping.SIGNALS)
def test_a_signal_is_an_exception_like_ctrl_c_and_later_as_it_was(number):
    with pytest.raises(KeyboardInterrupt) as caught, stoppable():
        _send(number)
    assert isinstance(caught.value, Stopped) and caught.value.number == number
    assert str(caught.value) == number.name
    assert signal.getsignal(number) is signal.SIG_DFL


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None])
def test_what_somebody_ignores_or_handles_stays_theirs(handler):
    before = signal.signal(signal.SIGHUP, handler)  # ignored: what nohup does
    try:
        with stoppable():
            assert signal.getsignal(signal.SIGHUP) is handler
            assert signal.SIGHUP not in raising() and signal.SIGTERM in raising()
        assert signal.getsignal(signal.SIGHUP) is handler
    finally:
        signal.signal(signal.SIGHUP, before)


def test_one_signal_sent_twice_does_not_disturb_the_tidying():
    # `timeout` sends it to the process and to the process group.
    tidied = []
    with pytest.raises(Stopped), stoppable():
        try:
            _send(signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)
            tidied.append(True)
    assert tidied


def test_other_threads_have_no_signals():
    seen = []

    def run():
        with stoppable():
            seen.append((signal.getsignal(signal.SIGTERM), raising()))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [(signal.SIG_DFL, [])]


@pytest.mark.slow
def test_an_exception_that_python_drops_comes_again():
    def collecting(phase, info):
        if phase == "start":
            gc.callbacks.remove(collecting)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)

    hook = sys.unraisablehook
    with pytest.raises(Stopped), stoppable():
        gc.callbacks.append(collecting)
        gc.collect()
        for _ in range(100):
            time.sleep(0.01)
    assert sys.unraisablehook is hook


@pytest.mark.slow
def test_a_terminal_that_is_gone_does_not_end_what_tidies_up():
    code = """
import os, pty, signal, sys, time
child, terminal = pty.fork()
if child == 0:
    from hyperseg_tf.base.progress import say
    from hyperseg_tf.base.stopping import Stopped, stoppable
    try:
        with stoppable():
            print("ready", flush=True)
            time.sleep(30)
    except Stopped as error:
        say("nobody reads this")
        print("nor this", flush=True)
        os._exit(128 + error.number)
    os._exit(1)
while b"ready" not in os.read(terminal, 100):
    pass
os.close(terminal)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 129
