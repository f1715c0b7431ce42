"""Finds a data set's files in a folder, in whichever form they are distributed."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from gan_jax.data.dataset import SPECS, DataError, Dataset, DatasetSpec
from gan_jax.data.formats import cifar10, idx, svhn
from gan_jax.data.formats.npz import read_npz, read_own_npz


class _Form(NamedTuple):
    """One form in which a data set may lie in a folder."""

    names: tuple[str, ...]  # one of these files there means: this form, read it
    read: Callable[[Path, DatasetSpec], Dataset]  # from the folder


_IDX = _Form(
    names=tuple(name + end for name in idx.IDX_FILES for end in ("", ".gz")),
    read=lambda folder, spec: idx.read_idx_folder(folder=folder, spec=spec),
)
_CIFAR10_TAR = "cifar-10-python.tar.gz"
_CIFAR10_BATCHES = (*cifar10.TRAIN_BATCHES, cifar10.TEST_BATCH)

_ORIGINAL_FORMS = {
    "mnist": (_IDX,),
    "fashion_mnist": (_IDX,),
    "cifar10": (
        _Form(
            names=tuple(f"{cifar10.BATCHES_FOLDER}/{b}" for b in _CIFAR10_BATCHES),
            read=lambda folder, spec: cifar10.read_cifar10_folder(
                folder=folder / cifar10.BATCHES_FOLDER, spec=spec
            ),
        ),
        _Form(
            names=_CIFAR10_BATCHES,
            read=lambda folder, spec: cifar10.read_cifar10_folder(
                folder=folder, spec=spec
            ),
        ),
        _Form(
            names=(_CIFAR10_TAR,),
            read=lambda folder, spec: cifar10.read_cifar10_tar(
                path=folder / _CIFAR10_TAR, spec=spec
            ),
        ),
    ),
    "svhn": (
        _Form(
            names=(svhn.TRAIN_FILE, svhn.TEST_FILE),
            read=lambda folder, spec: svhn.read_svhn_folder(folder=folder, spec=spec),
        ),
    ),
}


def load_own_npz(*, name: str, directory: str) -> Dataset:
    """Loads a data set of the user's own from `directory`/`name`.npz.

    `directory` may be the .npz file itself. Raises DataError: there is no such file, or
    it is damaged.
    """
    path = Path(_given(directory))
    if path.is_dir():
        path = path / f"{name}.npz"
    if not path.is_file():
        raise DataError(
            f"{path} is not there: expected an .npz file, since {name} is none of the "
            f"known data sets, {', '.join(SPECS)}"
        )
    return read_own_npz(path=path, name=name)


def _given(directory: str) -> str:
    if not directory:
        raise DataError(
            "the data source files needs a folder: set --config.data.dir=FOLDER"
        )
    return directory


def load_files(*, spec: DatasetSpec, directory: str) -> Dataset:
    """Loads a data set from `directory` or from `directory`/`spec.name`.

    The first form found is read: <name>.npz, then the original distribution files.

    Raises:
      DataError: `directory` is empty or no folder, holds no known form of the data
        set, or the files are damaged.
    """
    if not Path(_given(directory)).is_dir():
        raise DataError(f"{directory} is not a folder: set --config.data.dir=FOLDER")
    npz_name = f"{spec.name}.npz"
    npz = _Form(
        names=(npz_name,),
        read=lambda folder, spec: read_npz(path=folder / npz_name, spec=spec),
    )
    forms = (npz, *_ORIGINAL_FORMS.get(spec.name, ()))
    for folder in (Path(directory), Path(directory) / spec.name):
        for form in forms:
            if any((folder / name).is_file() for name in form.names):
                return form.read(folder, spec)
    names = ", ".join(name for form in forms for name in form.names)
    raise DataError(
        f"no {spec.name} in {directory} or {Path(directory) / spec.name}: "
        f"looked for {names}"
    )
