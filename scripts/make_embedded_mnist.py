"""Makes gan_jax/data/embedded/mnist.npz: a stratified part of MNIST.

    python scripts/make_embedded_mnist.py --input=FOLDER_WITH_MNIST [--output=FILE]

The folder holds mnist.npz or the four IDX files. Training images come from the training
set, test images from the test set; each class keeps its share. The same input gives the
same file, byte for byte (with the same zlib; with any, the same contents). Prints the
fingerprint that gan_jax/data/embedded/__init__.py expects of the file.
"""

import argparse
import pathlib
import zipfile

import numpy as np

from gan_jax.data import Dataset, load_dataset
from gan_jax.data.formats.npz import read_npz

NUM_TRAIN = 10_000
NUM_TEST = 2_000
SEED = 0
OUTPUT = pathlib.Path(__file__).parents[1] / "gan_jax/data/embedded/mnist.npz"


def class_quotas(labels: np.ndarray, total: int) -> np.ndarray:
    """Divides `total` among classes in proportion to `labels`, by largest remainder."""
    exact = np.bincount(labels) * total / len(labels)
    quotas = np.floor(exact).astype(int)
    most_short = np.argsort(quotas - exact, kind="stable")
    quotas[most_short[: total - quotas.sum()]] += 1
    return quotas


def stratified_positions(labels: np.ndarray, total: int) -> np.ndarray:
    """Draws `total` positions at random within classes, returned in original order."""
    # RandomState's stream is frozen for good; that of default_rng may change.
    random = np.random.RandomState(SEED)
    chosen = [
        random.permutation(np.flatnonzero(labels == label))[:quota]
        for label, quota in enumerate(class_quotas(labels, total))
    ]
    return np.sort(np.concatenate(chosen))


def write_npz(path: pathlib.Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes a compressed .npz whose bytes depend on nothing but the arrays."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, on any system
            with archive.open(entry, "w") as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


def subset(full: Dataset) -> dict[str, np.ndarray]:
    """Picks the embedded part of the full data set, labels as bytes."""
    train = stratified_positions(full.train_labels, NUM_TRAIN)
    test = stratified_positions(full.test_labels, NUM_TEST)
    return {
        "x_train": full.train_images[train],
        "y_train": full.train_labels[train].astype(np.uint8),
        "x_test": full.test_images[test],
        "y_test": full.test_labels[test].astype(np.uint8),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--input", required=True, help="folder with the full MNIST")
    parser.add_argument("--output", type=pathlib.Path, default=OUTPUT)
    arguments = parser.parse_args()
    full = load_dataset(name="mnist", source="files", directory=arguments.input)
    write_npz(arguments.output, subset(full))
    written = read_npz(path=arguments.output, spec=full.spec)
    print(f"{arguments.output}: {arguments.output.stat().st_size:,} bytes")
    print(f"fingerprint {written.fingerprint()}")
    print(f"training images per class {np.bincount(written.train_labels).tolist()}")
    print(f"test images per class {np.bincount(written.test_labels).tolist()}")


if __name__ == "__main__":
    main()
