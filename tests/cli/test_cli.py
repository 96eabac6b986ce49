import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hyperseg_tf
from hyperseg_tf import cli
from hyperseg_tf.base.atomic import atomic_file
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.progress import bar
from hyperseg_tf.cli.size import size
from tests.hostile.entries import strange_entries
from tests.reporting.written_run import write_run
from tests.terminal import terminal
from tests.tiny_segmenter import NAMES, random_hyperseg, write_data

ROOT = Path(__file__).parents[2]


def _python(code):
    # Importing jax, which Keras does where it is installed, sets a log level.
    env = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    random_hyperseg().save(path)
    return path


def _command(monkeypatch, run):
    """A command line whose only command does what the test wants."""

    class Command:
        @staticmethod
        def add(commands):
            commands.add_parser("it").set_defaults(run=run, tensorflow=False)

    monkeypatch.setattr(cli, "_COMMANDS", (Command,))
    return cli.main(["it"])


def test_help_answers_without_tensorflow():
    code = (
        "import sys, hyperseg_tf.cli as cli\n"
        "for words in [['--help'], ['train', '--help'], ['evaluate', '--help'],"
        " ['predict', '--help'], ['export', '--help'], ['benchmark', '--help'],"
        " ['data', '--help'], ['inspect', '--help'], ['convert', '--help'],"
        " ['cluster', '--help'], ['report', '--help'], ['doctor', '--help']]:\n"
        "    try: cli.main(words)\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "assert cli.main(['presets']) == 0\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = _python(code)
    assert done.returncode == 0, done.stderr
    # All of these together; TensorFlow alone takes several seconds to import.
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 2
    assert "camvid11-360x480" in done.stdout and "hyperseg_s_camvid" in done.stdout


def test_the_module_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "hyperseg_tf", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert done.stdout == f"hyperseg-tf {hyperseg_tf.__version__}\n"


def test_every_command_is_there(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    text = capsys.readouterr().out
    names = "train evaluate predict export inspect convert benchmark data presets"
    for name in [*names.split(), "recipes", "doctor"]:
        assert f"\n    {name} " in text or f"\n    {name}\n" in text


def test_a_user_error_is_one_line_and_status_2(monkeypatch, capsys):
    def run(args):
        raise UserError("the rule:\n  what came;   the way out.")

    assert _command(monkeypatch, run) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "hyperseg-tf: error: the rule: what came; the way out.\n"


def test_an_error_is_not_printed_behind_a_half_drawn_bar(monkeypatch):
    def run(args):
        bar("predicting")(3, 9)
        raise UserError("no picture.")

    with terminal() as shown:
        assert _command(monkeypatch, run) == 2
    first, *rest = shown.lines
    assert first.startswith("predicting:") and "3/9" in first
    assert rest == ["hyperseg-tf: error: no picture.", ""]


def test_a_file_that_cannot_be_written_is_one_line_and_status_2(
    monkeypatch, capsys, tmp_path
):
    def run(args):
        (tmp_path / "no folder" / "a").write_text("")

    assert _command(monkeypatch, run) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no folder" in line and "No such file" in line


def test_ctrl_c_is_status_130(monkeypatch, capsys):
    def run(args):
        raise KeyboardInterrupt

    assert _command(monkeypatch, run) == 130
    assert capsys.readouterr().err == "hyperseg-tf: interrupted\n"


@pytest.mark.parametrize("words", [True, False])
def test_ctrl_c_that_a_library_made_an_error_of_is_ctrl_c(monkeypatch, capsys, words):
    def run(args):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            if not words:
                raise ValueError(
                    "Exception encountered when calling Layer.call()"
                ) from (None)
        raise RuntimeError("Traceback ...\nKeyboardInterrupt: \n [Op:PyFunc]")

    assert _command(monkeypatch, run) == 130
    assert capsys.readouterr().err == "hyperseg-tf: interrupted\n"


def test_ctrl_c_before_anything_is_imported_is_one_line(monkeypatch, capsys):
    from hyperseg_tf import __main__ as program

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "main", interrupted)
    assert program.main() == 130
    assert capsys.readouterr().err == "hyperseg-tf: interrupted\n"


def test_a_bug_keeps_its_traceback(monkeypatch):
    def run(args):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _command(monkeypatch, run)


def test_a_status_is_passed_on(monkeypatch):
    assert _command(monkeypatch, lambda args: 7) == 7


@pytest.mark.slow
def test_evaluate_prints_the_table_and_writes_the_files(model_file, tmp_path, capsys):
    label = np.zeros((35, 40), np.uint8)
    label[:, 20:] = 1
    data = write_data(tmp_path / "data", [label])
    out = tmp_path / "out" / "scores.json"
    words = ["evaluate", str(model_file), "--data", str(data), "--json", str(out)]
    drawn = ["--draw", str(tmp_path / "drawn"), "--draw-count", "1"]
    assert cli.main([*words, "--protocol", "own", "--calibration", *drawn]) == 0
    assert len(list((tmp_path / "drawn").iterdir())) == 1
    text = capsys.readouterr().out
    assert "mIoU" in text and all(name in text for name in NAMES[:2])
    assert "calibration error" in text
    assert json.loads(out.read_text())["images"] == 1
    assert (tmp_path / "out" / "scores_confusion.png").exists()
    again = [*words[:-2], "--against", str(out)]
    assert cli.main([*again, "--allow-leak"]) == 0
    (line,) = (
        row
        for row in capsys.readouterr().out.splitlines()
        if row.endswith("+0.00") and row.startswith("mIoU")
    )
    assert len(line.split()) == 4
    for wrong in (
        [*words, "--protocol", "camvid12"],
        [*again, "--protocol", "voc21"],
        [*again, "--allow-leak", "--near-leak"],
        [*words, "--draw-count", "0"],
    ):
        assert cli.main(wrong) == 2
        assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_predict_goes_on_after_a_broken_file_and_says_so(model_file, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_text("no picture")
    Image.new("RGB", (40, 33)).save(tmp_path / "in" / "b.png")
    out = tmp_path / "out"
    status = cli.main(
        ["predict", str(model_file), str(tmp_path / "in"), "--out", str(out)]
    )
    printed = capsys.readouterr()
    assert status == 2
    (line,) = printed.err.splitlines()
    assert line.startswith("hyperseg-tf: error: ") and "a.png" in line
    assert printed.out.split() == [
        str(out / "classes" / "b.png"),
        str(out / "overlays" / "b.png"),
    ]


def test_export_refuses_an_unknown_format(model_file, tmp_path, capsys):
    words = ["export", str(model_file), "--out", str(tmp_path / "out")]
    assert cli.main([*words, "--format", "coreml"]) == 2
    assert "saved_model" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_export_passes_the_version_on(model_file, tmp_path, capsys):
    (tmp_path / "out" / "4").mkdir(parents=True)
    words = ["export", str(model_file), "--out", str(tmp_path / "out")]
    assert cli.main([*words, "--version", "4"]) == 2
    assert "has 4; name 5." in capsys.readouterr().err


@pytest.mark.slow
def test_export_passes_the_cap_on(model_file, tmp_path, capsys):
    words = ["export", str(model_file), "--out", str(tmp_path / "out")]
    assert cli.main([*words, "--max-pixels", "99"]) == 2
    assert "max-pixels) is at least" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_predict_says_what_every_strange_entry_is(model_file, tmp_path, capsys):
    strange = strange_entries(tmp_path / "in")
    Image.new("RGB", (40, 33)).save(tmp_path / "in" / "good.png")
    words = ["predict", str(model_file), str(tmp_path / "in")]
    assert cli.main([*words, "--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr()
    assert len(printed.err.splitlines()) == len(strange)
    assert printed.out.split()[0].endswith("classes/good.png")


@pytest.mark.slow
def test_benchmark_takes_a_model_file(model_file, tmp_path, capsys):
    out = tmp_path / "b.json"
    words = ["benchmark", str(model_file), "--size", "32x64", "--calls", "2"]
    assert cli.main([*words, "--json", str(out)]) == 0
    assert "32x64" in capsys.readouterr().out
    assert len(json.loads(out.read_text())["latencies_ms"]) == 2


def test_recipes_lists_every_recipe(capsys):
    from hyperseg_tf import recipes

    assert cli.main(["recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == recipes.names()


def test_a_size_is_height_x_width(capsys):
    assert size("360x480") == (360, 480)
    for text in ("360", "0x9", "12x480", "a", "-40x40"):
        with pytest.raises(SystemExit):
            cli.main(["benchmark", "hyperseg_tiny", "--size", text])
    assert "HxW" in capsys.readouterr().err


@pytest.mark.slow
def test_tensorflow_says_nothing_unless_asked():
    code = (
        "from hyperseg_tf.base.quiet import import_tensorflow\n"
        "import sys; import_tensorflow(); import tensorflow as tf\n"
        "tf.constant(1) + 1; sys.stderr.write('after')"
    )
    assert _python(code).stderr == "after"


def test_data_scenes_writes_a_folder_that_check_finds_sound(tmp_path, capsys):
    folder = tmp_path / "scenes"
    words = ["data", "scenes", str(folder), "--train", "2", "--val", "1"]
    words += ["--size", "64x96"]
    assert cli.main(words) == 0
    assert "2 + 1 road scenes, written" in capsys.readouterr().out
    assert cli.main(words) == 0
    assert "there already" in capsys.readouterr().out
    assert cli.main(["data", "check", str(folder)]) == 0
    assert "train: 2 pairs" in capsys.readouterr().out
    assert cli.main([*words, "--seed", "1"]) == 2
    assert "new or empty folder" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_is_a_status_and_leaves_nothing_half_written(
    monkeypatch, capsys, tmp_path, name, status
):
    number = getattr(signal, name)

    def run(args):
        with atomic_file(tmp_path / "a") as temporary:
            temporary.write_text("half")
            os.kill(os.getpid(), number)
            time.sleep(5)

    assert _command(monkeypatch, run) == status
    assert capsys.readouterr().err == f"hyperseg-tf: ended by {name}\n"
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(number) is signal.SIG_DFL


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device"), "No space left on device; free some"),
        (OSError("encoder error"), "encoder error; check the path"),
        (MemoryError("12 GiB"), "memory must suffice for what is asked: 12 GiB; take"),
    ],
)
def test_what_the_machine_did_is_one_line(monkeypatch, capsys, error, said):
    def run(args):
        raise error

    assert _command(monkeypatch, run) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("hyperseg-tf: error: ") and said in line


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-", "2>&-", "2>/dev/full"])
def test_a_stream_that_takes_nothing_is_no_traceback(redirection):
    words = f"{sys.executable} -m hyperseg_tf presets {redirection}"
    done = subprocess.run(words, shell=True, cwd=ROOT, capture_output=True, text=True)
    if redirection != ">/dev/full":
        assert (done.returncode, done.stderr) == (0, "")
        return
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "No space left on device; free some space" in line


def test_a_name_that_is_no_text_can_be_printed():
    code = "from hyperseg_tf.cli import streams; streams.prepare(); print('a\\udcff')"
    assert _python(code).stdout == "a\\udcff\n"


def test_doctor_says_what_a_run_suggests(tmp_path, capsys):
    write_run(tmp_path / "run", miou=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6))
    assert cli.main(["doctor", str(tmp_path / "run")]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "run: 6 epochs, best mIoU 0.6000 in epoch 6"
    assert rest and all(line.startswith("- ") for line in rest)
    assert any("--extend 12" in line for line in rest)
    assert cli.main(["doctor", str(tmp_path)]) == 2
    assert "has no run.json" in capsys.readouterr().err
