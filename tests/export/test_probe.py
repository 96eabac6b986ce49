import pytest

from hyperseg_tf.export import probe

NO_GPU = ({}, "OSError: libcuda.so.1")
GPU = ({"gpus": 1}, "")
# As TensorFlow 2.17.1 answers.
TF = {"tensorflow": "2.17.1", "linked": [8, 6, 1], "enabled": False, "gpus": 0}


@pytest.fixture
def answers(monkeypatch):
    """Set what the processes answer, by program."""

    def set_answers(**given):
        by_program = {getattr(probe, f"_{k.upper()}"): v for k, v in given.items()}
        monkeypatch.setattr(
            probe, "ask", lambda program, seconds=0: by_program[program]
        )

    return set_answers


def test_what_was_told_before_a_crash_is_known():
    program = "tell(first=1)\nimport os\nos.abort()\ntell(second=2)"
    facts, problem = probe.ask(program)
    assert facts == {"first": 1}
    assert problem == "ended by signal 6"


def test_an_exception_is_told_by_its_last_line():
    assert probe.ask("print('noise')\ntell(a=1)\nimport nowhere_to_be_found") == (
        {"a": 1},
        "ModuleNotFoundError: No module named 'nowhere_to_be_found'",
    )


def test_what_hangs_is_ended():
    program = "tell(first=1)\nimport time\ntime.sleep(60)"
    facts, problem = probe.ask(program, seconds=1)
    assert facts == {"first": 1}
    assert problem == "no answer within 1 seconds"


def test_modules_in_the_working_folder_are_not_imported(tmp_path, monkeypatch):
    (tmp_path / "found_here.py").touch()
    monkeypatch.chdir(tmp_path)
    assert "No module named" in probe.ask("import found_here")[1]


def test_an_old_tensorrt_is_not_taken(tmp_path, monkeypatch):
    (tmp_path / "tensorrt.py").write_text("__version__ = '8.6.1'\n")
    monkeypatch.syspath_prepend(tmp_path)
    missing = probe.missing_for_tensorrt()
    assert missing[0] == "TensorRT 10 or later: this is 8.6.1"


def test_a_missing_tensorrt_and_a_missing_gpu_are_both_named(answers):
    answers(tensorrt=({}, "No module named 'tensorrt'"), gpu=NO_GPU)
    package, gpu = probe.missing_for_tensorrt()
    assert "tensorrt, 10 or later (No module named 'tensorrt')" in package
    assert "NVIDIA GPU" in gpu and "libcuda.so.1" in gpu


def test_a_tensorrt_that_does_not_start_is_named(answers):
    answers(tensorrt=({"tensorrt": "10.3.0"}, "CUDA error 35"), gpu=GPU)
    (missing,) = probe.missing_for_tensorrt()
    assert "TensorRT 10.3.0" in missing and "CUDA error 35" in missing


def test_nothing_is_missing_where_a_builder_starts(answers):
    answers(tensorrt=({"tensorrt": "11.4.0", "builder": True}, ""), gpu=GPU)
    assert probe.missing_for_tensorrt() == []


def test_a_tensorflow_without_tf_trt_is_named_with_the_last_that_has_it(answers):
    facts = {"tensorflow": "2.21.0", "linked": [0, 0, 0], "enabled": False}
    answers(tensorflow=(facts, ""), gpu=NO_GPU)
    (missing,) = probe.missing_for_tf_trt()
    assert "2.17 or earlier: this is 2.21.0" in missing and "make tf217" in missing


def test_the_library_that_tf_trt_misses_is_named_with_its_version(answers):
    answers(tensorflow=(TF, ""), gpu=GPU)
    (missing,) = probe.missing_for_tf_trt()
    assert "libnvinfer.so.8.6.1" in missing
    answers(tensorflow=(TF, ""), gpu=NO_GPU)
    assert len(probe.missing_for_tf_trt()) == 2


def test_a_gpu_that_only_the_driver_sees_is_not_enough(answers):
    facts = TF | {"enabled": True}
    answers(tensorflow=(facts, ""), gpu=GPU)
    (missing,) = probe.missing_for_tf_trt()
    assert "cuDNN" in missing
    answers(tensorflow=(facts | {"gpus": 1}, ""), gpu=GPU)
    assert probe.missing_for_tf_trt() == []


def test_a_tensorflow_that_cannot_be_imported_is_named(answers):
    answers(tensorflow=({}, "ended by signal 4"), gpu=GPU)
    assert "ended by signal 4" in probe.missing_for_tf_trt()[0]
