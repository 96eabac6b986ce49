import numpy as np
import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.training import processes
from hyperseg_tf.training.processes import Processes


@pytest.fixture
def second_of_three(monkeypatch):
    """This is process 1 of 3; whatever is gathered comes from `others`, too."""
    monkeypatch.setattr(processes, "_started", Processes("h:1", 3, 1))

    def others(first, last):
        monkeypatch.setattr(processes, "gather", lambda own: [first, own, last])

    return others


def test_one_process_is_alone():
    assert (processes.count(), processes.index()) == (1, 0)
    assert processes.first() and processes.gather(b"x") == [b"x"]
    assert processes.total(np.arange(3)).tolist() == [0, 1, 2]
    assert processes.largest(7) == 7
    with pytest.raises(UserError, match="^mine$"), processes.together():
        raise UserError("mine")


def test_several_processes_need_jax():
    with pytest.raises(UserError, match="tensorflow; set KERAS_BACKEND=jax"):
        Processes("localhost:1", 2, 0).start()
    assert processes.count() == 1


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (("nowhere", 2, 0), "HOST:PORT: got 'nowhere'"),
        (("h:port", 2, 0), "HOST:PORT"),
        (("h:1", 2, 2), "process 2 of 2"),
        (("h:1", 2, -1), "process -1 of 2"),
        (("h:1", 2, 0, 0), "at least 1 second: got 0"),
    ],
)
def test_what_cannot_be_a_process_is_refused(values, said):
    with pytest.raises(UserError, match=said):
        Processes(*values)


def test_sums_are_of_all_processes_in_their_own_precision(second_of_three):
    counts = np.full((2, 2), 2**40)
    second_of_three((3 * counts).tobytes(), counts.tobytes())
    found = processes.total(counts)
    assert found.dtype == np.int64 and (found == 5 * 2**40).all()


def test_a_signal_to_one_process_is_a_signal_to_all(second_of_three):
    second_of_three(b"0", b"15")
    assert processes.largest(0) == 15


def test_what_one_process_cannot_go_on_with_ends_all(second_of_three):
    second_of_three(b"", b"no such file")
    with pytest.raises(UserError, match="process 2 of 3: no such file"):
        with processes.together():
            pass
    with pytest.raises(UserError, match="^mine$"), processes.together():
        raise UserError("mine")


def test_the_first_process_writes(second_of_three, tmp_path):
    from hyperseg_tf.training.run_folder import RunFolder

    second_of_three(b"", b"")
    folder = RunFolder(tmp_path / "run")
    with folder.locked():
        folder.write_facts({})
        folder.write_log([{"epoch": 1}])
    assert not folder.path.exists()
