"""IDX files, the format of MNIST (http://yann.lecun.com/exdb/mnist) and FashionMNIST.

A big-endian header (two zero bytes, a type code, the number of axes, one uint32 size
per axis) and then the elements in row-major order. Only unsigned bytes occur here.
"""

import gzip
import math
from pathlib import Path

import numpy as np

from gan_jax.data.dataset import (
    DataError,
    Dataset,
    DatasetSpec,
    Split,
    check_split,
    join_splits,
)
from gan_jax.data.formats.damage import reading

_UNSIGNED_BYTE = 0x08
_PREFIXES = {"train": "train", "test": "t10k"}

IDX_FILES = tuple(
    f"{prefix}-{kind}"
    for prefix in _PREFIXES.values()
    for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
)


def read_idx_folder(*, folder: Path, spec: DatasetSpec) -> Dataset:
    """Reads the four IDX files in `folder`, each plain or gzipped.

    Raises DataError when one is missing, damaged or not of this data set.
    """

    def split(part: str) -> Split:
        images_path = _plain_or_gzipped(folder, f"{_PREFIXES[part]}-images-idx3-ubyte")
        labels_path = _plain_or_gzipped(folder, f"{_PREFIXES[part]}-labels-idx1-ubyte")
        return check_split(
            spec=spec,
            images=read_idx(path=images_path, num_axes=3),
            labels=read_idx(path=labels_path, num_axes=1),
            images_from=str(images_path),
            labels_from=str(labels_path),
        )

    return join_splits(spec=spec, train=split("train"), test=split("test"))


def _plain_or_gzipped(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise DataError(
        f"{folder}: expected {name} or {name}.gz beside the other IDX files"
    )


def read_idx(*, path: Path, num_axes: int) -> np.ndarray:
    """Reads one IDX file of unsigned bytes with `num_axes` axes, gzipped if named .gz.

    Raises DataError when it is another kind of file, cut off or too long.
    """
    with reading(path, "a whole IDX file"):
        contents = path.read_bytes()
        if path.suffix == ".gz":
            contents = gzip.decompress(contents)
    magic = bytes((0, 0, _UNSIGNED_BYTE, num_axes))
    if contents[:4] != magic:
        raise DataError(
            f"{path}: expected an IDX file of {num_axes}-dimensional bytes, which "
            f"begins with {magic.hex()}, found {contents[:4].hex() or 'nothing'}"
        )
    start = 4 + 4 * num_axes
    if len(contents) < start:
        raise DataError(
            f"{path}: expected a header of {start} bytes, found {len(contents)}"
        )
    shape = tuple(int(size) for size in np.frombuffer(contents[4:start], dtype=">u4"))
    if len(contents) - start != math.prod(shape):
        raise DataError(
            f"{path}: expected {math.prod(shape)} bytes of data for the shape "
            f"{list(shape)} in the header, found {len(contents) - start}"
        )
    return np.frombuffer(contents, dtype=np.uint8, offset=start).reshape(shape)
