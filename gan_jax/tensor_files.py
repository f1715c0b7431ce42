"""Named tensors in files of other programs: .safetensors, .npz, PyTorch's .pth."""

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import load_file

# The first of the pickles in a file that PyTorch wrote before version 1.6, and number
# of the pickles before the one that holds the tensors.
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_HEADERS = 3


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """All tensors of a file, by name.

    PyTorch's files, of `torch.save(network.state_dict())` in either of its formats, are
    read without PyTorch by an unpickler that builds nothing but tensors.

    Raises:
      ValueError: there is no such file, it is damaged or of another kind.
    """
    readers: dict[str, Callable[[Path], dict[str, np.ndarray]]] = {
        ".safetensors": load_file,
        ".npz": _read_npz,
        ".pth": _read_pytorch,
        ".pt": _read_pytorch,
    }
    if path.suffix not in readers:
        raise ValueError(f"{path} must be one of {', '.join(readers)}")
    if not path.is_file():
        raise ValueError(f"{path} is not there")
    try:
        return readers[path.suffix](path)
    # Decoders of damaged bytes raise almost anything.
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read as {path.suffix}: {type(error).__name__}: {error}"
        ) from error


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


class _Storage(NamedTuple):
    """Where the numbers of one or more tensors are."""

    key: str
    dtype: np.dtype


class _Tensor(NamedTuple):
    """A view of a storage, all counted in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def to_numpy(self, contents: bytes) -> np.ndarray:
        """Raises ValueError if the view reaches beyond the storage."""
        size = self.storage.dtype.itemsize
        return np.ndarray(
            self.shape,
            self.storage.dtype,
            contents,
            self.offset * size,
            tuple(stride * size for stride in self.strides),
        )


def _rebuild_tensor(storage, offset, shape, strides, *_) -> _Tensor:
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


_STORAGES = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
}
_ALLOWED_GLOBALS = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    **{("torch", name): dtype for name, dtype in _STORAGES.items()},
}


class _TensorUnpickler(pickle.Unpickler):
    """Builds what a state dict holds and refuses every other global."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED_GLOBALS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"{module}.{name} is not allowed in a file of tensors"
            ) from None

    def persistent_load(self, pid: Any) -> _Storage:
        _, dtype, key, _, _, *view = pid
        if any(view):
            raise pickle.UnpicklingError("views of storages are not read")
        return _Storage(key, dtype)


def _read_pytorch(path: Path) -> dict[str, np.ndarray]:
    if not zipfile.is_zipfile(path):
        return _read_legacy_pytorch(path)
    with zipfile.ZipFile(path) as archive:
        (index,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        folder = index.removesuffix("data.pkl")
        tensors = _TensorUnpickler(io.BytesIO(archive.read(index))).load()
        return _to_numpy(tensors, lambda key: archive.read(f"{folder}data/{key}"))


def _read_legacy_pytorch(path: Path) -> dict[str, np.ndarray]:
    """Pickles one after the other, then for each storage its length and its numbers."""
    with path.open("rb") as file:

        def load():
            return _TensorUnpickler(file).load()

        magic, *_ = (load() for _ in range(_LEGACY_HEADERS))
        if magic != _LEGACY_MAGIC:
            raise ValueError("it is no file of torch.save")
        tensors, keys = load(), load()
        sizes = {
            tensor.storage.key: tensor.storage.dtype.itemsize
            for tensor in tensors.values()
        }
        contents = {}
        for key in keys:
            length = int.from_bytes(file.read(8), "little")
            contents[key] = file.read(length * sizes[key])
    return _to_numpy(tensors, contents.__getitem__)


def _to_numpy(
    tensors: dict[str, _Tensor], contents: Callable[[str], bytes]
) -> dict[str, np.ndarray]:
    return {
        name: tensor.to_numpy(contents(tensor.storage.key))
        for name, tensor in tensors.items()
    }
