"""Specs, the checks of arrays, and the fingerprint."""

import dataclasses
import hashlib

import jax
import numpy as np
import pytest

from gan_jax.data import (
    DataError,
    Dataset,
    DatasetSpec,
    aligned,
    load_dataset,
    remarks,
)
from gan_jax.data.dataset import SPECS, check_contents, check_split

SPEC = DatasetSpec("tiny", (2, 2, 1), 3, ("a", "b", "c"))


def check(images, labels):
    return check_split(
        spec=SPEC,
        images=np.asarray(images),
        labels=np.asarray(labels),
        images_from="I",
        labels_from="L",
    )


def make_dataset(**changes):
    arrays = {
        "train_images": np.arange(8, dtype=np.uint8).reshape(2, 2, 2, 1),
        "train_labels": np.array([2, 0], np.int32),
        "test_images": np.full((1, 2, 2, 1), 9, np.uint8),
        "test_labels": np.array([1], np.int32),
    }
    return Dataset(spec=SPEC, **(arrays | changes))


def test_specs_of_the_known_data_sets():
    shapes = {name: spec.image_shape for name, spec in SPECS.items()}
    assert shapes == {
        "mnist": (28, 28, 1),
        "fashion_mnist": (28, 28, 1),
        "cifar10": (32, 32, 3),
        "svhn": (32, 32, 3),
    }
    for spec in SPECS.values():
        assert len(set(spec.class_names)) == spec.num_classes == 10
        assert spec.value_range == (0, 255)
    assert SPECS["fashion_mnist"].class_names[9] == "ankle boot"
    assert SPECS["cifar10"].class_names[6] == "frog"


def test_classes_that_differ_in_capitals_alone():
    spec = DatasetSpec("letters", (2, 2, 1), 4, ("A", "a", "b", "0"))

    assert [spec.class_number(name) for name in ("A", "a", "B", "b")] == [0, 1, 2, 2]
    assert [spec.class_number(number) for number in ("0", "1", "3")] == [3, 1, 3]
    spec = DatasetSpec("words", (2, 2, 1), 2, ("Cat", "CAT"))
    with pytest.raises(ValueError, match="words has several classes 'cat': Cat, CAT;"):
        spec.class_number("cat")


def test_check_split_brings_arrays_into_one_layout():
    images = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
    split = check(images, np.array([[2], [1]], np.int64))
    np.testing.assert_array_equal(split.images[..., 0], images)
    assert split.images.shape == (2, 2, 2, 1)
    assert split.labels.tolist() == [2, 1]
    assert split.labels.dtype == np.int32


IMAGES = np.zeros((2, 2, 2, 1), np.uint8)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES.astype(np.float32), [0, 1], "I: expected uint8 images, found float32"),
        (np.zeros((2, 3, 2), np.uint8), [0, 1], r"I: .*\[N, 2, 2, 1\].*\[2, 3, 2\]"),
        (np.zeros((2, 2, 2, 3), np.uint8), [0, 1], r"I: .*found \[2, 2, 2, 3\]"),
        (IMAGES[:0], np.zeros(0, int), r"I: .*N at least 1, found \[0, 2, 2, 1\]"),
        (IMAGES, [0.0, 1.0], "L: expected integer labels, found float64"),
        (IMAGES, [[0, 1], [1, 0]], r"L: .*\[N\] or \[N, 1\], found \[2, 2\]"),
        (IMAGES, 1, r"L: .*found \[\]"),
        (IMAGES, [0, 3], "L: expected labels from 0 to 2, found 3 at position 1"),
        (IMAGES, [-1, 0], "L: expected labels from 0 to 2, found -1 at position 0"),
        (IMAGES, [0, 1, 2], "L: expected one label .* 2 images of I, found 3"),
    ],
)
def test_check_split_refuses(images, labels, message):
    with pytest.raises(DataError, match=message):
        check(images, labels)


def test_fingerprint_is_sha256_of_spec_shapes_and_bytes():
    expected = hashlib.sha256(
        repr(SPEC).encode()
        + b"(2, 2, 2, 1)"
        + bytes(range(8))
        + b"(2,)"
        + b"\2\0\0\0\0\0\0\0"
        + b"(1, 2, 2, 1)"
        + b"\x09" * 4
        + b"(1,)"
        + b"\1\0\0\0"
    )
    assert make_dataset().fingerprint() == expected.hexdigest()[:16]


@pytest.mark.parametrize(
    "field", ["train_images", "train_labels", "test_images", "test_labels"]
)
def test_fingerprint_changes_with_every_array(field):
    original = make_dataset()
    changed = getattr(original, field).copy()
    changed.flat[-1] += 1
    assert make_dataset(**{field: changed}).fingerprint() != original.fingerprint()


def test_symmetry_is_no_part_of_the_fingerprint():
    # It would have made every cached judge useless, and says nothing about the arrays.
    symmetric = dataclasses.replace(SPEC, mirror_symmetric=True)
    assert symmetric != SPEC
    assert (
        dataclasses.replace(make_dataset(), spec=symmetric).fingerprint()
        == make_dataset().fingerprint()
    )
    assert [name for name, spec in SPECS.items() if spec.mirror_symmetric] == [
        "cifar10"
    ]


def test_fingerprint_changes_with_the_spec_but_not_with_memory_order():
    original = make_dataset()
    renamed = dataclasses.replace(original, spec=SPECS["mnist"])
    assert renamed.fingerprint() != original.fingerprint()
    fortran = np.asfortranarray(original.train_images)
    assert make_dataset(train_images=fortran).fingerprint() == original.fingerprint()


def test_unknown_names_list_the_known_ones():
    with pytest.raises(DataError, match="'mnits'; known: mnist, fashion_mnist, cif"):
        load_dataset(name="mnits", source="embedded")
    with pytest.raises(DataError, match="'file'; known: embedded, files, tfds"):
        load_dataset(name="mnist", source="file")


def test_aligned_sets_share_their_memory_with_the_device():
    images = np.arange(81, dtype=np.uint8)[1:].reshape(20, 2, 2, 1)  # off alignment
    dataset = make_dataset(train_images=images)

    same = aligned(dataset)

    assert same.fingerprint() == dataset.fingerprint()
    assert same.train_labels.dtype == np.int32
    assert not same.train_images.flags.writeable
    on_device = jax.device_put(same.train_images)
    np.testing.assert_array_equal(on_device, images)
    if jax.default_backend() == "cpu":
        assert on_device.unsafe_buffer_pointer() == same.train_images.ctypes.data


def image_set(*pixels):
    """An image [2, 2, 1] for each four pixels."""
    return np.array(pixels, np.uint8).reshape(-1, 2, 2, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"train_images": image_set([0] * 4, [0] * 4)},
            "the training images of tiny are blank: every pixel is 0",
        ),
        (
            {"test_images": image_set([7] * 4)},
            "the test images of tiny are blank: every pixel is 7",
        ),
        (
            {"train_images": image_set([0, 1, 1, 0], [1, 1, 1, 0])},
            "the training images of tiny hold only the values 0 and 1; .*by 255",
        ),
        (
            {"train_images": image_set([3, 9, 1, 0], [3, 9, 1, 0])},
            "the training images of tiny are all the same image",
        ),
        ({"test_images": image_set([3, 9, 1, 0])}, None),
        # Black and white, but not scaled down.
        ({"train_images": image_set([0, 255, 255, 0], [255, 0, 0, 0])}, None),
        ({"train_images": image_set([0, 2, 1, 0], [1, 1, 1, 0])}, None),
    ],
)
def test_senseless_contents_are_refused(changes, message):
    dataset = make_dataset(test_images=image_set([1, 2, 3, 4]))
    dataset = dataclasses.replace(dataset, **changes)

    if message is None:
        check_contents(dataset)
        return
    with pytest.raises(DataError, match=message):
        check_contents(dataset)


def test_contents_are_checked_where_sets_are_loaded(tmp_path):
    digits = np.random.default_rng(0).integers(2, size=(20, 28, 28), dtype=np.uint8)
    labels = np.arange(20) % 10
    np.savez(
        tmp_path / "mnist.npz",
        x_train=digits,
        y_train=labels,
        x_test=digits * 255,
        y_test=labels,
    )

    with pytest.raises(DataError, match="training images of mnist hold only the val"):
        load_dataset(name="mnist", source="files", directory=str(tmp_path))


def test_classes_without_images_are_remarked():
    assert remarks(make_dataset()) == [
        "the training images of tiny have none of class b",
        "the test images of tiny have none of class a, c",
    ]
    whole = dict(
        train_images=np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1),
        train_labels=np.array([2, 0, 1], np.int32),
        test_images=np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1),
        test_labels=np.array([0, 1, 2], np.int32),
    )
    assert remarks(make_dataset(**whole)) == []
