"""Memory of this process, as the system sees it."""

import ctypes
import sys


def return_freed_memory() -> None:
    """Gives freed memory, which the C library keeps for itself, back to the system.

    With glibc on Linux; elsewhere it does nothing.
    """
    if sys.platform == "linux":
        malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if malloc_trim:
            malloc_trim(0)
