"""Folders and files as people name them."""

import pathlib
import re
import tempfile

# pathlib shortens gs:// to gs:/. Two letters or more, so that C:/ is a path.
_SCHEME = re.compile(r"[A-Za-z][\w+.-]+:/")


def check_writable(folder: pathlib.Path) -> None:
    """Creates the folder if need be; raises OSError if no file can be made in it."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


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
