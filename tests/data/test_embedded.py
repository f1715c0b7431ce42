"""The embedded part of MNIST and the script that makes it."""

import importlib.resources
import importlib.util
import pathlib

import numpy as np
import pytest

import gan_jax.data.embedded
from gan_jax.data import DataError, load_dataset
from gan_jax.data.dataset import SPECS, Dataset

SCRIPT = pathlib.Path(__file__).parents[2] / "scripts" / "make_embedded_mnist.py"


@pytest.fixture(scope="module")
def script():
    module_spec = importlib.util.spec_from_file_location("make_embedded_mnist", SCRIPT)
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def dataset():
    return load_dataset(name="mnist", source="embedded")


def test_embedded_mnist_is_a_stratified_part(dataset):
    assert dataset.train_images.shape == (10_000, 28, 28, 1)
    assert dataset.test_images.shape == (2_000, 28, 28, 1)
    # The full sets' counts: LeCun's page.
    full_train = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    full_test = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    train, test = np.bincount(dataset.train_labels), np.bincount(dataset.test_labels)
    assert np.abs(train - np.array(full_train) / 6).max() < 1
    assert np.abs(test - np.array(full_test) / 5).max() < 1


def test_embedded_mnist_has_the_statistics_of_mnist(dataset):
    # 0.1307 and 0.3081 are those of the 60,000 training images.
    scaled = dataset.train_images / 255
    assert scaled.mean() == pytest.approx(0.1307, abs=0.002)
    assert scaled.std() == pytest.approx(0.3081, abs=0.002)


def test_embedded_images_are_distinct_and_labelled_right(dataset):
    rows = np.concatenate([dataset.train_images, dataset.test_images]).reshape(-1, 784)
    assert len(np.unique(rows, axis=0)) == 12_000
    # Nearest class mean reaches about 82 % on MNIST; wrong labels would give 10 %.
    train, test = rows[:10_000] / 255, rows[10_000:] / 255
    means = np.stack([train[dataset.train_labels == k].mean(0) for k in range(10)])
    distances = (means**2).sum(1) - 2 * test @ means.T
    assert (distances.argmin(1) == dataset.test_labels).mean() > 0.78


def test_the_file_is_small_and_its_provenance_lies_beside_it():
    folder = importlib.resources.files("gan_jax.data.embedded")
    assert len((folder / "mnist.npz").read_bytes()) < 3_000_000
    assert "CC BY-SA 3.0" in (folder / "README.md").read_text()


def test_only_mnist_is_embedded():
    with pytest.raises(DataError, match="only mnist is embedded, not cifar10"):
        load_dataset(name="cifar10", source="embedded")


def test_other_contents_than_the_released_ones_are_refused(monkeypatch):
    monkeypatch.setattr(gan_jax.data.embedded, "_FINGERPRINT", "0" * 16)
    with pytest.raises(DataError, match=r"mnist\.npz: expected contents 0{16}, found"):
        load_dataset(name="mnist", source="embedded")


def test_class_quotas_by_largest_remainder(script):
    # 10 of 7 : 5 : 3 give 4.67, 3.33 and 2: the one left over goes to the first class.
    labels = np.repeat([0, 1, 2], [7, 5, 3])
    assert script.class_quotas(labels, 10).tolist() == [5, 3, 2]


def test_script_takes_each_split_from_its_own_and_keeps_order(script, monkeypatch):
    monkeypatch.setattr(script, "NUM_TRAIN", 6)
    monkeypatch.setattr(script, "NUM_TEST", 3)

    def numbered(count, offset):
        images = np.zeros((count, 28, 28, 1), np.uint8)
        images[:, 0, 0, 0] = offset + np.arange(count)
        return images, (np.arange(count) % 3).astype(np.int32)

    full = Dataset(SPECS["mnist"], *numbered(30, 0), *numbered(12, 100))
    part = script.subset(full)
    for kind, offset, count in (("train", 0, 2), ("test", 100, 1)):
        numbers = part[f"x_{kind}"][:, 0, 0, 0].astype(int) - offset
        assert (np.diff(numbers) > 0).all()
        assert part[f"y_{kind}"].tolist() == (numbers % 3).tolist()
        assert np.bincount(part[f"y_{kind}"]).tolist() == [count] * 3


def test_script_writes_the_same_bytes_every_time(script, dataset, tmp_path):
    arrays = {
        "x_train": dataset.train_images,
        "y_train": dataset.train_labels.astype(np.uint8),
        "x_test": dataset.test_images,
        "y_test": dataset.test_labels.astype(np.uint8),
    }
    first, second = tmp_path / "a.npz", tmp_path / "b.npz"
    script.write_npz(first, arrays)
    script.write_npz(second, arrays)
    assert first.read_bytes() == second.read_bytes()
    with np.load(first) as archive:
        for name, array in arrays.items():
            np.testing.assert_array_equal(archive[name], array)
