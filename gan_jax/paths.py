"""Folders and files as people name them."""

import pathlib
import re

# A scheme and a slash; of two slashes pathlib leaves one. Drives have one letter.
_SCHEME = re.compile(r"[A-Za-z][\w+.-]+:/")


def local_path(text: str | pathlib.Path, name: str) -> pathlib.Path:
    """The path, with ~ as the user's home.

    Args:
      name: what the path is of, for the error.

    Raises:
      OSError: it is no path of this machine's file systems (gs://bucket/folder), or
        there is no such home.
    """
    if _SCHEME.match(str(text)):
        raise OSError(
            f"{name} is {str(text)!r}; it must be a path in a mounted file system"
        )
    try:
        return pathlib.Path(text).expanduser()
    except RuntimeError as error:
        raise OSError(f"{name} is {str(text)!r}: {error}") from None
