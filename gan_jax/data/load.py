"""The one door to every data set: a name and a source give a `Dataset`."""

from gan_jax.data.dataset import SPECS, DataError, Dataset, check_contents
from gan_jax.data.embedded import load_embedded
from gan_jax.data.files import load_files
from gan_jax.data.tfds import load_tfds
from gan_jax.paths import local_path

SOURCES = {"embedded": load_embedded, "files": load_files, "tfds": load_tfds}


def load_dataset(*, name: str, source: str, directory: str = "") -> Dataset:
    """Loads a data set into host memory.

    Args:
      name: mnist, fashion_mnist, cifar10 or svhn.
      source: embedded (a part of MNIST that comes with the package), files (from
        `directory` or `directory`/`name`) or tfds (prepared by TensorFlow Datasets in
        `directory`, or in its own default place when that is empty).
      directory: where the source looks; embedded does not use it.

    Returns:
      uint8 images [N, H, W, C] in [0, 255] and int32 labels [N], for training and test.

    Raises:
      DataError: an unknown name or source, or data that are missing or damaged.
      OSError: the directory is a URL.
    """
    if name not in SPECS:
        raise DataError(f"unknown data set {name!r}; known: {', '.join(SPECS)}")
    if source not in SOURCES:
        raise DataError(f"unknown data source {source!r}; known: {', '.join(SOURCES)}")
    if directory:
        directory = str(local_path(directory, "data.dir"))
    dataset = SOURCES[source](spec=SPECS[name], directory=directory)
    check_contents(dataset)
    return dataset
