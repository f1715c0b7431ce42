"""The tfds source: on a stand-in for TFDS, and on TFDS itself where it is installed."""

import sys
import types

import numpy as np
import pytest

from gan_jax.data import DataError, load_dataset

SHAPES = {
    "mnist": (28, 28, 1),
    "fashion_mnist": (28, 28, 1),
    "cifar10": (32, 32, 3),
    "svhn_cropped": (32, 32, 3),
}


def examples(name, count, seed):
    random = np.random.RandomState(seed)
    return [
        {"image": random.randint(0, 256, SHAPES[name]).astype(np.uint8), "label": label}
        for label in random.randint(0, 10, count)
    ]


@pytest.fixture
def calls(monkeypatch):
    """Puts a stand-in for tensorflow_datasets in place; returns the calls it gets."""
    received = []

    def data_source(name, *, split, data_dir, download, builder_kwargs):
        received.append((name, data_dir, download, builder_kwargs))
        assert split == ["train", "test"]
        return [examples(name, 5, seed=1), examples(name, 3, seed=2)]

    stand_in = types.ModuleType("tensorflow_datasets")
    stand_in.data_source = data_source
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", stand_in)
    return received


@pytest.mark.parametrize(
    ("name", "tfds_name"),
    [
        ("mnist", "mnist"),
        ("fashion_mnist", "fashion_mnist"),
        ("cifar10", "cifar10"),
        ("svhn", "svhn_cropped"),
    ],
)
def test_reads_every_data_set(calls, name, tfds_name):
    dataset = load_dataset(name=name, source="tfds", directory="prepared")
    assert calls == [(tfds_name, "prepared", False, {"file_format": "array_record"})]
    for images, labels, expected in (
        (dataset.train_images, dataset.train_labels, examples(tfds_name, 5, seed=1)),
        (dataset.test_images, dataset.test_labels, examples(tfds_name, 3, seed=2)),
    ):
        assert images.dtype == np.uint8
        np.testing.assert_array_equal(images, [e["image"] for e in expected])
        assert labels.tolist() == [e["label"] for e in expected]


@pytest.mark.parametrize(
    ("image", "label", "found"),
    [
        (np.zeros((28, 28, 1), np.int64), 1, r"int64 \[28, 28, 1\] with int64 \[\]"),
        (np.zeros((28, 1), np.uint8), 1, r"uint8 \[28, 1\] with"),
        (np.zeros((28, 28, 1), np.uint8), 1.5, r"with float64 \[\]"),
        (np.zeros((28, 28, 1), np.uint8), [1], r"with int64 \[1\]"),
    ],
)
def test_examples_unlike_the_spec(calls, monkeypatch, image, label, found):
    splits = [examples("mnist", 2, 1) + [{"image": image, "label": label}]] * 2
    monkeypatch.setattr(
        sys.modules["tensorflow_datasets"], "data_source", lambda *_, **__: splits
    )
    with pytest.raises(
        DataError,
        match="^TFDS mnist, train, example 2: expected uint8 images of shape "
        rf"\[28, 28, 1\] with integer labels, found .*{found}",
    ):
        load_dataset(name="mnist", source="tfds")


def test_damaged_records(calls, monkeypatch):
    class Damaged:
        def __len__(self):
            return 3

        def __getitem__(self, position):
            raise RuntimeError("corrupt record")

    monkeypatch.setattr(
        sys.modules["tensorflow_datasets"],
        "data_source",
        lambda *_, **__: [Damaged(), Damaged()],
    )
    with pytest.raises(DataError, match="^TFDS mnist, train: .*RuntimeError: corrupt"):
        load_dataset(name="mnist", source="tfds")


def test_no_folder_means_the_default_of_tfds(calls):
    load_dataset(name="mnist", source="tfds")
    assert calls[0][1] is None


def test_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(DataError, match=r"pip install 'gan_jax\[tfds\]'"):
        load_dataset(name="mnist", source="tfds")


def test_installed_without_what_it_imports_when_used(calls, monkeypatch):
    def data_source(*_, **__):
        raise ModuleNotFoundError("No module named 'importlib_resources'")

    monkeypatch.setattr(sys.modules["tensorflow_datasets"], "data_source", data_source)
    with pytest.raises(DataError, match=r"gan_jax\[tfds\].*importlib_resources"):
        load_dataset(name="mnist", source="tfds", directory="prepared")


def test_not_prepared(calls, monkeypatch):
    def data_source(*_, **__):
        raise KeyError("splits is empty")

    monkeypatch.setattr(sys.modules["tensorflow_datasets"], "data_source", data_source)
    with pytest.raises(DataError) as caught:
        load_dataset(name="svhn", source="tfds", directory="prepared")
    message = str(caught.value)
    assert "no svhn_cropped ready to read in prepared" in message
    assert "needs TensorFlow" in message
    command = (
        "tfds.data_source('svhn_cropped', data_dir='prepared', "
        "builder_kwargs={'file_format': 'array_record'})"
    )
    assert command in message


def test_not_prepared_with_the_real_package(tmp_path):
    pytest.importorskip("tensorflow_datasets")
    with pytest.raises(DataError, match="Preparing it needs TensorFlow"):
        load_dataset(name="fashion_mnist", source="tfds", directory=str(tmp_path))
