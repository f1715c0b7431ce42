import pathlib
import platform
import re

import pytest

from gan_jax.host_memory import return_freed_memory


def resident_mib():
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's alone")
def test_freed_memory_goes_back_to_the_system():
    blocks = [b"x" * 2**16 for _ in range(2000)]  # 125 MiB, all touched
    last = blocks.pop()  # at the end of the heap, which cannot shrink below it
    del blocks
    before = resident_mib()

    return_freed_memory()

    assert before - resident_mib() > 100
    assert len(last) == 2**16
