import errno

import pytest

from hyperseg_tf.base.os_errors import behind, in_words


def _of_tensorflow(text):
    class UnknownError(Exception):
        __module__ = "tensorflow.python.framework.errors_impl"

    return UnknownError(text)


def test_tensorflow_says_code_and_file():
    found = behind(_of_tensorflow("{{node X}} /a/b c; File too large [Op:SaveV2]"))
    assert (found.errno, found.filename) == (errno.EFBIG, "/a/b c")
    found = behind(_of_tensorflow("{{node X}} Not a directory [Op:Create] name: "))
    assert (found.errno, found.filename) == (errno.ENOTDIR, None)


@pytest.mark.parametrize("text", ["", "OOM when allocating tensor", "a; b [Op:C]"])
def test_what_tensorflow_says_of_itself_is_none_of_the_system(text):
    assert behind(_of_tensorflow(text)) is None


def test_only_a_disk_is_looked_for_behind_other_errors():
    for code, expected in ((errno.ENOSPC, errno.ENOSPC), (errno.ENOENT, None)):
        error = ValueError("closing")
        error.__context__ = OSError(code, "text")
        assert getattr(behind(error), "errno", None) == expected
    circle = ValueError()
    circle.__context__ = ValueError()
    circle.__context__.__context__ = circle
    assert behind(circle) is None


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            ": No space left.*free some",
        ),
        (OSError(errno.EMFILE, "Too many open files", "a"), "a: Too many.*ulimit -n"),
        (
            PermissionError(13, "Permission denied", "a"),
            "a: Permission.*check the path",
        ),
        (OSError("by a library"), "written: by a library; check"),
        (OSError(), "written: OSError; check"),
        (OSError(9, "Bad file descriptor", 7), "written: Bad file descriptor; check"),
    ],
)
def test_every_error_of_the_system_is_one_line_with_a_way_out(error, said):
    with pytest.raises(RuntimeError, match=said):
        raise RuntimeError(in_words(error))
    assert "None" not in in_words(error)
