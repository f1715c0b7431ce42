"""Data sets of the library datasets, made here: nothing is downloaded."""

import io
import os

import numpy as np
import pytest
from PIL import Image

# Before the library is imported.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
datasets = pytest.importorskip("datasets")

from gan_jax.data import DataError, PictureOptions, load_dataset  # noqa: E402

RANDOM = np.random.default_rng(0)
CLASSES = ("cat", "a dog", "Ägypten")
FEATURES = {"picture": datasets.Image(), "kind": datasets.ClassLabel(names=CLASSES)}


@pytest.fixture(autouse=True)
def own_caches(tmp_path_factory, monkeypatch):
    """Empty caches for each test."""
    folder = tmp_path_factory.mktemp("caches")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "ours"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder / "theirs")


def pixels(number, shape=(9, 10, 3)):
    return RANDOM.integers(256, size=(number, *shape), dtype=np.uint8)


def png(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


def made(images, labels, features=None):
    """A split of these images (arrays, or what the library stores) and labels."""
    stored = [
        png(image) if isinstance(image, np.ndarray) else image for image in images
    ]
    return datasets.Dataset.from_dict(
        {"picture": stored, "kind": labels},
        features=datasets.Features(features or FEATURES),
    )


def load(folder, **options):
    return load_dataset(
        name="pets",
        source="huggingface",
        directory=str(folder),
        pictures=PictureOptions(**options),
    )


def refused(folder, **options):
    with pytest.raises(DataError) as caught:
        load(folder, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(str(folder), "FOLDER")


@pytest.mark.parametrize("stored", ["saved", "parquet"])
def test_splits_images_labels_and_class_names_are_the_sets(tmp_path, stored):
    train, test = pixels(5), pixels(2)
    splits = {"train": made(train, [2, 0, 1, 0, 2]), "test": made(test, [1, 0])}
    if stored == "saved":
        datasets.DatasetDict(splits).save_to_disk(tmp_path)
    else:
        for part, split in splits.items():
            split.to_parquet(tmp_path / f"{part}.parquet")

    dataset = load(tmp_path)

    assert dataset.spec.class_names == CLASSES
    assert dataset.spec.image_shape == (9, 10, 3)
    np.testing.assert_array_equal(dataset.train_images, train)
    np.testing.assert_array_equal(dataset.train_labels, [2, 0, 1, 0, 2])
    np.testing.assert_array_equal(dataset.test_images, test)
    np.testing.assert_array_equal(dataset.test_labels, [1, 0])
    assert dataset.notes == ()
    # Once more, from the cache.
    assert load(tmp_path).fingerprint() == dataset.fingerprint()


def test_without_a_test_split_a_part_of_each_class_becomes_one(tmp_path):
    images, labels = pixels(20, (8, 8)), np.arange(20) % 2
    made(images, labels.tolist()).save_to_disk(tmp_path)

    dataset = load(tmp_path, test_fraction=0.3)

    assert dataset.spec.image_shape == (8, 8, 1)
    np.testing.assert_array_equal(np.bincount(dataset.train_labels), [7, 7])
    np.testing.assert_array_equal(np.bincount(dataset.test_labels), [3, 3])
    found = {
        (image.tobytes(), int(label))
        for part in ("train", "test")
        for image, label in zip(
            getattr(dataset, f"{part}_images"),
            getattr(dataset, f"{part}_labels"),
            strict=True,
        )
    }
    expected = {
        (image.tobytes(), label) for image, label in zip(images, labels, strict=True)
    }
    assert found == expected


def test_images_are_resized_and_files_beside_the_set_are_read(tmp_path):
    colours = np.full((24, 16, 3), (10, 200, 90), np.uint8)
    Image.fromarray(colours).save(tmp_path / "file.png")
    beside = {"bytes": None, "path": str(tmp_path / "file.png")}
    split = made([beside, pixels(1)[0]], [0, 0])
    split.save_to_disk(tmp_path / "set")

    dataset = load(tmp_path / "set", image_size=(8,))

    images = np.concatenate([dataset.train_images, dataset.test_images])
    assert images.shape == (2, 8, 8, 3)
    assert any((image == colours[:8, :8]).all() for image in images)
    assert "resized" in dataset.notes[0]


def test_images_that_cannot_be_used_stop_or_are_left_out(tmp_path):
    images = [*pixels(4), {"bytes": b"no picture", "path": None}, None]
    made(images, [0, 0, 1, 1, 1, 0]).save_to_disk(tmp_path)

    assert refused(tmp_path) == (
        "FOLDER/train/4 is no PNG, JPEG, WebP or BMP picture (2 of 6 pictures cannot "
        "be used; --config.data.on_error=skip leaves them out)"
    )
    dataset = load(tmp_path, on_error="skip")
    assert len(dataset.train_labels) == len(dataset.test_labels) == 2
    assert "2 of 6 pictures" in dataset.notes[0]


def test_what_is_not_used_and_missing_classes_are_told(tmp_path):
    features = {"picture": datasets.Image(), "kind": datasets.Value("string")}
    splits = {
        part: made(pixels(2), ["x", "y"], features)
        for part in ("train", "test", "validation")
    }
    datasets.DatasetDict(splits).save_to_disk(tmp_path)

    dataset = load(tmp_path)

    assert dataset.spec.class_names == ("all",)
    assert dataset.notes == (
        f"{tmp_path}: the splits validation are not used",
        f"{tmp_path} has no column of type ClassLabel: picture (Image), kind (Value)",
    )


@pytest.mark.parametrize(
    ("features", "line"),
    [
        (
            {"picture": datasets.Value("string"), "kind": FEATURES["kind"]},
            "FOLDER has no column of type Image: expected one (columns: picture "
            "(Value), kind (ClassLabel))",
        ),
        (
            {"picture": datasets.Image(), "kind": datasets.Image()},
            "FOLDER has 2 columns of type Image: expected one (columns: picture "
            "(Image), kind (Image))",
        ),
        (
            {"picture": FEATURES["kind"], "kind": FEATURES["kind"]}
            | {"shown": datasets.Image()},
            "FOLDER has 2 columns of type ClassLabel: expected one (columns: picture "
            "(ClassLabel), kind (ClassLabel), shown (Image))",
        ),
    ],
)
def test_columns_must_be_clear(tmp_path, features, line):
    columns = {column: [None, None] for column in features}
    datasets.Dataset.from_dict(
        columns, features=datasets.Features(features)
    ).save_to_disk(tmp_path)

    assert refused(tmp_path) == line


def test_labels_must_be_known(tmp_path, monkeypatch):
    monkeypatch.setattr("gan_jax.data.huggingface.decoded_pictures", None)
    images = pixels(3)
    made(images, [0, None, 1]).save_to_disk(tmp_path / "none")
    made(images, [0, 1, -1]).save_to_disk(tmp_path / "hidden")

    assert refused(tmp_path / "none") == (
        "FOLDER, kind (train): row 1 has no label; expected one for every image"
    )
    assert refused(tmp_path / "hidden") == (
        "FOLDER, kind (train): row 2 has the label -1; expected labels from 0 to 2"
    )


def test_a_set_must_be_there_with_a_split_train(tmp_path):
    datasets.DatasetDict({"all": made(pixels(2), [0, 1])}).save_to_disk(tmp_path / "a")
    (tmp_path / "empty").mkdir()

    assert refused(tmp_path / "a") == (
        "FOLDER has the splits all: expected train and, if there is one, test"
    )
    assert refused(tmp_path / "none").startswith("FOLDER is not there")
    assert "finds no data set in FOLDER" in refused(tmp_path / "empty")
    with pytest.raises(DataError, match="of name 'owner/none' on the hub"):
        load_dataset(name="owner/none", source="huggingface")
    with pytest.raises(DataError, match="mnist is the name of a known data set"):
        load_dataset(name="mnist", source="huggingface")
