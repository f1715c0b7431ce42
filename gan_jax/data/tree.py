"""The files of a folder or of a zip file, by their paths in it."""

import contextlib
import dataclasses
import os
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from gan_jax.data.dataset import DataError
from gan_jax.data.formats.damage import reading

# What systems leave beside people's files.
_HIDDEN = re.compile(r"\..*|__MACOSX|Thumbs\.db|desktop\.ini", re.IGNORECASE)


@dataclasses.dataclass
class Tree:
    """What lies in a folder or a zip file.

    Attributes:
      place: the folder or the zip file.
      read: path -> contents; may be called by several threads.
      files: path with slashes -> (bytes, what changes when the file does).
      folders: their paths, empty ones included as far as they are known.
    """

    place: Path
    read: Callable[[str], bytes]
    files: dict[str, tuple[int, str]] = dataclasses.field(default_factory=dict)
    folders: set[str] = dataclasses.field(default_factory=set)


@contextlib.contextmanager
def open_tree(place: Path) -> Iterator[Tree]:
    """Lists a folder (links are followed, loops are not) or a zip file.

    Raises:
      DataError: it is neither, or the zip file is damaged or has an entry whose path
        leads out of it.
    """
    if place.is_dir():
        tree = Tree(place, lambda path: (place / path).read_bytes())
        _walk(tree, place, "", frozenset())
        yield tree
        return
    if not place.exists():
        raise DataError(f"{place} is not there: expected a folder or a zip file")
    if place.suffix.lower() == ".npz":
        raise DataError(
            f"{place} is an .npz file: expected a folder or a zip file of pictures "
            "(arrays are read with --config.data.source=files)"
        )
    if not zipfile.is_zipfile(place):
        raise DataError(f"{place} is neither a folder nor a whole zip file")
    with reading(place, "a zip file of pictures"):
        archive = zipfile.ZipFile(place)
    with archive:
        yield _zip_tree(place, archive)


def _walk(
    tree: Tree, folder: Path, prefix: str, above: frozenset[tuple[int, int]]
) -> None:
    status = folder.stat()
    above |= {(status.st_dev, status.st_ino)}
    with os.scandir(folder) as entries:
        entries = sorted(entries, key=lambda entry: entry.name)
    for entry in entries:
        if _HIDDEN.fullmatch(entry.name):
            continue
        path = prefix + entry.name
        try:
            status = entry.stat()
        except OSError:  # A link to nothing; whoever reads it will say so.
            tree.files[path] = (0, "missing")
            continue
        if not entry.is_dir():
            tree.files[path] = (status.st_size, str(status.st_mtime_ns))
        elif (status.st_dev, status.st_ino) not in above:
            tree.folders.add(path)
            _walk(tree, folder / entry.name, f"{path}/", above)


def _zip_tree(place: Path, archive: zipfile.ZipFile) -> Tree:
    entries: dict[str, zipfile.ZipInfo] = {}
    lock = threading.Lock()

    def read(path):
        with lock:
            return archive.read(entries[path])

    tree = Tree(place, read)
    for entry in archive.infolist():
        path = entry.filename.replace("\\", "/").rstrip("/")
        # Some programs write "./" before every path.
        parts = [part for part in path.split("/") if part != "."]
        if not parts:
            continue
        path = "/".join(parts)
        if parts[0] == "" or ".." in parts or re.match("[A-Za-z]:", path):
            raise DataError(
                f"{place}: entry {entry.filename!r} leads out of the zip file; "
                "expected relative paths without '..'"
            )
        if any(_HIDDEN.fullmatch(part) for part in parts):
            continue
        above = parts if entry.is_dir() else parts[:-1]
        tree.folders |= {"/".join(above[:end]) for end in range(1, len(above) + 1)}
        if not entry.is_dir():
            entries[path] = entry
            tree.files[path] = (entry.file_size, f"{entry.CRC} {entry.date_time}")
    return tree
