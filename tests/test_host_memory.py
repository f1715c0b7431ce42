import pathlib
import platform
import re
import subprocess
import sys

import pytest

from gan_jax.host_memory import return_freed_memory


def resident_mib():
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="glibc's alone"
)

# 100 blocks of 2 MiB, each followed by a small one that stays. Freeing a larger one
# before makes glibc keep blocks such as these.
LARGE_BLOCKS = """
from gan_jax.host_memory import return_large_blocks_when_freed
from test_host_memory import resident_mib

{call}
larger = b"x" * 2**24
del larger
blocks, small = [], []
for _ in range(100):
    blocks.append(b"x" * 2**21)
    small.append(b"x" * 2**16)
before = resident_mib()
del blocks
print(before - resident_mib())
"""


def mib_returned(call):
    output = subprocess.run(
        [sys.executable, "-c", LARGE_BLOCKS.format(call=call)],
        cwd=pathlib.Path(__file__).parent,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(output.stdout)


@pytest.mark.slow
def test_large_blocks_go_back_when_freed():
    assert mib_returned("") < 20
    assert mib_returned("return_large_blocks_when_freed()") > 180


def test_freed_memory_goes_back_to_the_system():
    blocks = [b"x" * 2**16 for _ in range(2000)]  # 125 MiB, all touched
    last = blocks.pop()  # at the end of the heap, which cannot shrink below it
    del blocks
    before = resident_mib()

    return_freed_memory()

    assert before - resident_mib() > 100
    assert len(last) == 2**16
