"""Memory of this process, as the system sees it.

For glibc on Linux; elsewhere its functions do nothing.
"""

import ctypes
import sys

_M_MMAP_THRESHOLD = -3  # malloc.h
_LARGE = 2**20  # bytes


def return_large_blocks_when_freed() -> None:
    """Makes the C library give blocks of 1 MiB and more back as soon as they are freed.

    By itself it soon keeps blocks of up to 32 MiB for later, in pieces that later ones
    do not fit. To be called before anything large is allocated.
    """
    _call("mallopt", _M_MMAP_THRESHOLD, _LARGE)


def return_freed_memory() -> None:
    """Gives freed memory, which the C library keeps for itself, back to the system."""
    _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> None:
    if sys.platform == "linux":
        function = getattr(ctypes.CDLL(None), name, None)
        if function:
            function(*arguments)
