"""Locks between processes."""

import contextlib
import fcntl
import pathlib
from collections.abc import Iterator

from absl import logging


class BusyError(OSError):
    """Another process holds the lock."""


@contextlib.contextmanager
def lock_file(path: pathlib.Path, *, wait: bool = False) -> Iterator[bool]:
    """Locks a file against other processes; yields whether it could.

    The system frees it when the process ends in whatever way. The file stays, since
    another process may have opened it already. In a file system without locks a warning
    says so, and nothing is locked.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        is_ours = True
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            is_ours = False
        except OSError as error:
            logging.warning("%s cannot be locked: %s", path, error.strerror)
        yield is_ours
