"""The one door to every data set: a name and a source give a `Dataset`."""

from typing import Any

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
from gan_jax.data.files import load_files
from gan_jax.data.tfds import load_tfds
from gan_jax.names import lookup
from gan_jax.paths import local_path

SOURCES = {"embedded": load_embedded, "files": load_files, "tfds": load_tfds}


def load_dataset(*, name: str, source: str, directory: str = "") -> Dataset:
    """Loads a data set into host memory.

    Args:
      name: mnist, fashion_mnist, cifar10 or svhn; or `package.module:attribute`, a
        `DatasetSpec`.
      source: embedded (a part of MNIST that comes with the package), files (from
        `directory` or `directory`/`name`) or tfds (prepared by TensorFlow Datasets in
        `directory`, or in its own default place when that is empty); or
        `package.module:attribute`, a function (spec, directory) -> Dataset.
      directory: where the source looks; embedded does not use it.

    Returns:
      uint8 images [N, H, W, C] in [0, 255] and int32 labels [N], for training and test.

    Raises:
      DataError: an unknown name or source, or data that are missing or damaged.
      OSError: the directory is a URL.
    """
    spec = _look_up("data set", name, SPECS)
    load = _look_up("data source", source, SOURCES)
    if directory:
        directory = str(local_path(directory, "data.dir"))
    dataset = load(spec=spec, directory=directory)
    if source not in SOURCES:
        dataset = _checked(dataset, spec, source)
    check_contents(dataset)
    return dataset


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
            images=getattr(dataset, f"{part}_images"),
            labels=getattr(dataset, f"{part}_labels"),
            images_from=f"{source}, {part}_images",
            labels_from=f"{source}, {part}_labels",
        )
        for part in ("train", "test")
    )
    return join_splits(spec=spec, train=train, test=test)
