"""The one door to every data set: a name and a source give a `Dataset`."""

import dataclasses
from typing import Any

import numpy as np

from gan_jax.data.dataset import (
    SPECS,
    DataError,
    Dataset,
    DatasetSpec,
    check_contents,
    check_split,
    join_splits,
)
from gan_jax.data.embedded import load_embedded
from gan_jax.data.files import load_files, load_own_npz
from gan_jax.data.folder import PictureOptions, load_folder
from gan_jax.data.huggingface import load_huggingface
from gan_jax.data.tfds import load_tfds
from gan_jax.names import lookup
from gan_jax.paths import local_path

_KNOWN_SETS = {"embedded": load_embedded, "files": load_files, "tfds": load_tfds}
_PICTURES = {"folder": load_folder, "huggingface": load_huggingface}
OWN_SOURCES = ("files", *_PICTURES)  # of data sets of any other name
SOURCES = (*_KNOWN_SETS, *_PICTURES)


def load_dataset(
    *,
    name: str,
    source: str,
    directory: str = "",
    pictures: PictureOptions = PictureOptions(),  # noqa: B008
) -> Dataset:
    """Loads a data set into host memory.

    Args:
      name: mnist, fashion_mnist, cifar10, svhn; `package.module:attribute`, a
        `DatasetSpec`; or any name of one's own with the sources files, folder and
        huggingface.
      source: embedded (a part of MNIST that comes with the package), files (from
        `directory` or `directory`/`name`), tfds (prepared by TensorFlow Datasets in
        `directory`, or in its own default place when that is empty), folder (pictures
        in a folder or a zip file, `directory`), huggingface (`name` on the hub, or a
        data set of the library datasets in `directory`); or
        `package.module:attribute`, a function (spec, directory) -> Dataset.
      directory: where the source looks; embedded does not use it.
      pictures: how the sources folder and huggingface make a data set of them.

    Returns:
      uint8 images [N, H, W, C] in [0, 255] and int32 labels [N], for training and test.

    Raises:
      DataError: an unknown name or source, or data that are missing or damaged.
      OSError: the directory is a URL.
    """
    check_source(name, source)
    if directory:
        directory = str(local_path(directory, "data.dir"))
    if source in _PICTURES:
        load = _PICTURES[source]
        dataset = load(name=name, directory=directory, options=pictures)
    elif is_own(name):
        dataset = load_own_npz(name=name, directory=directory)
    else:
        spec = named_spec(name)
        load = _look_up("data source", source, _KNOWN_SETS)
        dataset = load(spec=spec, directory=directory)
        if source not in _KNOWN_SETS:
            dataset = _checked(dataset, spec, source)
    check_contents(dataset)
    return dataset


def is_own(name: str) -> bool:
    """Whether a data set's name says nothing of it: its spec comes from the data."""
    return name not in SPECS and ":" not in name


def named_spec(name: str) -> DatasetSpec:
    """The spec of a known name, or the object of `package.module:attribute`.

    Raises DataError: there is none.
    """
    return _look_up("data set", name, SPECS)


def check_source(name: str, source: str) -> None:
    """Raises DataError: there is no such data set, or no such source of it."""
    if ":" not in source and source not in SOURCES:
        raise DataError(
            f"unknown data source {source!r}; known: {', '.join(SOURCES)}, or "
            "package.module:attribute"
        )
    if is_own(name) and (source not in OWN_SOURCES or not name):
        raise DataError(
            f"unknown data set {name!r}; known: {', '.join(SPECS)}; sets of your own "
            f"have the source {', '.join(OWN_SOURCES)}, or a name "
            "package.module:attribute"
        )
    if not is_own(name) and source == "folder":
        raise DataError(
            f"{name} is a known data set, and the source folder is for pictures of "
            "your own: give them another name (--config.data.name)"
        )
    if not is_own(name) and source == "huggingface":
        raise DataError(
            f"{name} is the name of a known data set: the source huggingface takes "
            "OWNER/NAME on the hub or, with --config.data.dir, a name of your own"
        )


def _look_up(what: str, name: str, known: dict[str, Any]) -> Any:
    try:
        return lookup(name, known)
    except ValueError as error:
        raise DataError(f"the {what} {error}") from error


def _checked(dataset: Dataset, spec: DatasetSpec, source: str) -> Dataset:
    """What a user's function returned, as the package's own sources return it."""
    if not isinstance(dataset, Dataset):
        raise DataError(f"{source} must return a Dataset, not {type(dataset).__name__}")
    train, test = (
        check_split(
            spec=spec,
            images=_array(dataset, f"{part}_images", source),
            labels=_array(dataset, f"{part}_labels", source),
            images_from=f"{source}, {part}_images",
            labels_from=f"{source}, {part}_labels",
        )
        for part in ("train", "test")
    )
    checked = join_splits(spec=spec, train=train, test=test)
    return dataclasses.replace(checked, notes=dataset.notes)


def _array(dataset: Dataset, field: str, source: str) -> np.ndarray:
    """NumPy's, or JAX's as one of NumPy's."""
    value = getattr(dataset, field)
    if not hasattr(value, "__array__"):
        raise DataError(
            f"{source}, {field}: expected an array, found {type(value).__name__}"
        )
    return np.asarray(value)
