import subprocess
import sys
from pathlib import Path

import pytest

_CODE = """
from hyperseg_tf.base.machine import peak_memory
before = peak_memory()
used = bytearray(b"x") * 2**27
during = peak_memory()
del used
print(before, during, peak_memory())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not say")
def test_peak_memory_grows_by_what_is_used_and_stays():
    # In a process of its own: this one's peak is of other tests.
    done = subprocess.run(
        [sys.executable, "-c", _CODE],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    before, during, after = map(int, done.stdout.split())
    # Linux counts a few pages of each thread late.
    assert 0.95 * 2**27 < during - before < 1.2 * 2**27
    assert after > during - 2**22
