import os
import subprocess
import sys
from pathlib import Path

import pytest

from hyperseg_tf import presets, recipes
from hyperseg_tf.cli import completion

ROOT = Path(__file__).parents[2]


def _completions(line):
    """What a shell offers behind a line, as argcomplete asks the program."""
    read, write = os.pipe()
    # The program writes to descriptor 8, and what it would say to 9.
    code = (
        f"import os; os.dup2({write}, 8); os.dup2(2, 9)\n"
        "import sys; sys.modules['tensorflow'] = None\n"  # It would take seconds.
        "from hyperseg_tf import cli; cli.main([])\n"
    )
    environment = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_SHELL": "bash",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        pass_fds=[write],
        capture_output=True,
        text=True,
    )
    os.close(write)
    with os.fdopen(read) as answers:
        found = answers.read()
    assert found, done.stderr
    return {word.strip() for word in found.split("\n")}


@pytest.mark.slow
def test_a_shell_is_offered_commands_options_and_names():
    assert {"train", "predict", "doctor"} <= _completions("hyperseg-tf ")
    assert _completions("hyperseg-tf export --form") == {"--format"}
    assert set(recipes.names()) <= _completions("hyperseg-tf train ")
    start = "hyperseg_s_lite"
    expected = {name for name in presets.PRESETS if name.startswith(start)}
    assert _completions(f"hyperseg-tf presets {start}") == expected


def test_nothing_is_completed_unless_a_shell_asks(monkeypatch):
    monkeypatch.delenv("_ARGCOMPLETE", raising=False)
    assert completion.complete(None) is None


def test_without_argcomplete_the_command_runs_on(monkeypatch):
    monkeypatch.setenv("_ARGCOMPLETE", "1")
    monkeypatch.setitem(sys.modules, "argcomplete", None)
    assert completion.complete(None) is None
