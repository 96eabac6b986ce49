import pytest

from hyperseg_tf.ops import choice


@pytest.mark.parametrize("reason", ["", "no compiler."])
@pytest.mark.parametrize("asked", [None, "auto", "xla", "einsum", "slices", "fused"])
def test_what_is_good_for_any_size_is_never_compiled_for_one(
    monkeypatch, asked, reason
):
    monkeypatch.setattr(choice, "_no_fused", lambda: reason)
    monkeypatch.delenv(choice.ENVIRONMENT, raising=False)
    if asked is not None:
        monkeypatch.setenv(choice.ENVIRONMENT, asked)
    expected = "slices" if reason else "fused"
    if asked in ("einsum", "slices", "fused"):
        expected = asked
    assert choice.for_any_size() == expected


def test_an_unknown_name_in_the_environment_is_refused(monkeypatch):
    monkeypatch.setenv(choice.ENVIRONMENT, "fast")
    with pytest.raises(ValueError, match="'fast'"):
        choice.for_any_size()
