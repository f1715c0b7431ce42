"""The part of MNIST that comes with the package: nothing to download or configure."""

import importlib.resources

from gan_jax.data.dataset import DataError, Dataset, DatasetSpec
from gan_jax.data.formats.npz import read_npz

# Of the contents, not of the file: another zlib may pack the same arrays differently.
# scripts/make_embedded_mnist.py prints it.
_FINGERPRINT = "0f1441779ac5473f"


def load_embedded(*, spec: DatasetSpec, directory: str) -> Dataset:
    """Loads the embedded 10,000 training and 2,000 test images of MNIST, 28x28.

    `directory` is not used. Raises DataError for any data set but mnist, and when the
    file in the package is not the one that was released.
    """
    del directory
    if spec.name != "mnist":
        raise DataError(
            f"only mnist is embedded, not {spec.name}: "
            "use --config.data.source=files or --config.data.source=tfds"
        )
    resource = importlib.resources.files(__name__) / "mnist.npz"
    with importlib.resources.as_file(resource) as path:
        dataset = read_npz(path=path, spec=spec)
        if dataset.fingerprint() != _FINGERPRINT:
            raise DataError(
                f"{path}: expected contents {_FINGERPRINT}, found "
                f"{dataset.fingerprint()}: install gan_jax again"
            )
    return dataset
