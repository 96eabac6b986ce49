import sys

from hyperseg_tf import __version__, cli, installation
from hyperseg_tf.installation import Finding, examine


def test_nothing_is_fatal_where_the_tests_run(monkeypatch):
    monkeypatch.setenv("HYPERSEG_TF_GPU", "0")
    findings = {finding.topic: finding for finding in examine()}
    assert findings["hyperseg_tf"].says.startswith(f"{__version__}, Python 3.")
    assert "HYPERSEG_TF_GPU=0" in findings["settings"].says
    assert {"machine", "packages", "devices", "compiler", "custom ops"} <= set(findings)
    assert not [finding for finding in findings.values() if finding.fatal]


def test_a_tensorflow_that_cannot_be_imported_is_said_in_one_line(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert cli.main(["doctor"]) == 2
    out, error = capsys.readouterr()
    assert error.count("\n") == 1 and "TensorFlow: cannot be used" in error
    assert "- TensorFlow: install it anew" in out
    assert "[export]" in out and "custom ops" not in out


def test_the_command_prints_findings_and_what_to_do(monkeypatch, capsys):
    found = [Finding("a", "is so"), Finding("longer", "is not", "do this")]
    monkeypatch.setattr(installation, "examine", lambda: found)
    assert cli.main(["doctor"]) == 0
    assert capsys.readouterr().out == (
        "a       is so\nlonger  is not\n\nWhat to do:\n- longer: do this\n"
    )
