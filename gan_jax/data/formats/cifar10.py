"""The python version of CIFAR-10 (https://www.cs.toronto.edu/~kriz/cifar.html).

Five training batches and one test batch, each a Python 2 pickle of a dict with `data`,
uint8 [N, 3072] (a row is the red, green and blue planes of an image), and `labels`.
"""

import math
import pickle
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

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

BATCHES_FOLDER = "cifar-10-batches-py"
TRAIN_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_BATCH = "test_batch"


def read_cifar10_folder(*, folder: Path, spec: DatasetSpec) -> Dataset:
    """Reads the six batch files in `folder`.

    Raises DataError when one is missing, damaged or not of CIFAR-10.
    """

    def read_batch(name: str) -> Split:
        path = folder / name
        with reading(path, "a CIFAR-10 batch"):
            contents = path.read_bytes()
        return _parse_batch(contents=contents, spec=spec, origin=str(path))

    return _join_batches(spec=spec, read_batch=read_batch)


def read_cifar10_tar(*, path: Path, spec: DatasetSpec) -> Dataset:
    """Reads the six batches from cifar-10-python.tar.gz, unpacking nothing to disk.

    Raises DataError when it is damaged or a batch is missing or not of CIFAR-10.
    """
    contents = {}
    with (
        reading(path, "a whole tar.gz archive of the CIFAR-10 python batches"),
        tarfile.open(path, "r:gz") as archive,
    ):
        # In the archive's order: jumping about in a gzip stream decompresses it anew.
        for member in archive:
            folder, _, name = member.name.rpartition("/")
            member_file = archive.extractfile(member)
            if folder == BATCHES_FOLDER and member_file is not None:
                contents[name] = member_file.read()

    def read_batch(name: str) -> Split:
        if name not in contents:
            raise DataError(f"{path}: expected {BATCHES_FOLDER}/{name} in the archive")
        return _parse_batch(
            contents=contents[name],
            spec=spec,
            origin=f"{path}, {BATCHES_FOLDER}/{name}",
        )

    return _join_batches(spec=spec, read_batch=read_batch)


def _join_batches(*, spec: DatasetSpec, read_batch: Callable[[str], Split]) -> Dataset:
    batches = [read_batch(name) for name in TRAIN_BATCHES]
    train = Split(
        images=np.concatenate([batch.images for batch in batches]),
        labels=np.concatenate([batch.labels for batch in batches]),
    )
    return join_splits(spec=spec, train=train, test=read_batch(TEST_BATCH))


def _parse_batch(*, contents: bytes, spec: DatasetSpec, origin: str) -> Split:
    with reading(Path(origin), "a CIFAR-10 batch: a dict with data and labels"):
        batch = _BatchUnpickler(BytesIO(contents), encoding="bytes").load()
        rows = batch[b"data"].to_numpy()
        labels = np.asarray(batch[b"labels"])
    height, width, channels = spec.image_shape
    if rows.ndim != 2 or rows.shape[1] != height * width * channels:
        raise DataError(
            f"{origin}: expected data of shape [N, {height * width * channels}], "
            f"found {list(rows.shape)}"
        )
    planes = rows.reshape(-1, channels, height, width)
    return check_split(
        spec=spec,
        images=planes.transpose(0, 2, 3, 1),
        labels=labels,
        images_from=f"{origin}, data",
        labels_from=f"{origin}, labels",
    )


class _BatchUnpickler(pickle.Unpickler):
    """Builds what the official batches hold and refuses every other global.

    Even NumPy's own names are answered with the stand-ins below: no constructor that a
    crafted pickle could misuse is ever called.
    """

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED_GLOBALS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"{module}.{name} is not allowed in a CIFAR-10 batch"
            ) from None


class _PickledDtype:
    """Stands for numpy.dtype, of which the batches use only unsigned bytes."""

    def __init__(self, name: bytes, align: int, copy: int) -> None:
        if name != b"u1":
            raise pickle.UnpicklingError(f"dtype {name!r} where u1 is expected")

    def __setstate__(self, state: tuple) -> None:
        """Byte order and alignment mean nothing for bytes."""


class _PickledArray:
    """Stands for numpy.ndarray until its parts have been checked."""

    def __setstate__(self, state: tuple) -> None:
        _, self._shape, self._dtype, self._is_fortran_order, self._bytes = state

    def to_numpy(self) -> np.ndarray:
        if not isinstance(self._dtype, _PickledDtype) or self._is_fortran_order:
            raise pickle.UnpicklingError("expected a row-major array of bytes")
        if math.prod(self._shape) != len(self._bytes):
            raise pickle.UnpicklingError(
                f"{len(self._bytes)} bytes for an array of shape {self._shape}"
            )
        return np.frombuffer(self._bytes, dtype=np.uint8).reshape(self._shape)


def _reconstruct(array_type: type, shape: tuple, dtype_name: bytes) -> _PickledArray:
    # NumPy pickles an empty array of a dummy type first; its state follows.
    return _PickledArray()


_ALLOWED_GLOBALS = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _PickledArray,
    ("numpy", "dtype"): _PickledDtype,
}
