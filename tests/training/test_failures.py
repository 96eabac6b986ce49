import pytest
import tensorflow as tf

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.training.failures import memory_in_words
from hyperseg_tf.training.run_folder import RunFolder
from tests.training.tiny_run import recipe


def _exhausted(text):
    return tf.errors.ResourceExhaustedError(None, None, text)


@pytest.mark.parametrize("error", [MemoryError(), _exhausted("OOM when allocating")])
def test_too_little_memory_says_what_to_lower_and_what_is_kept(error, tmp_path):
    folder = RunFolder(tmp_path)
    with pytest.raises(
        UserError, match="batches of 2.*lower batch_size.*nothing was s"
    ):
        with memory_in_words(recipe(), folder):
            raise error
    folder.latest.write_text("")
    with pytest.raises(UserError, match="latest.keras is kept"):
        with memory_in_words(recipe(), folder):
            raise error


@pytest.mark.parametrize(
    "error", [_exhausted("/a/b; No space left on device"), KeyError("a bug")]
)
def test_a_full_disk_and_a_bug_are_something_else(error, tmp_path):
    with pytest.raises(type(error)), memory_in_words(recipe(), RunFolder(tmp_path)):
        raise error
