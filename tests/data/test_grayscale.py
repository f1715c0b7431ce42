"""Luma of hand-computed colours; the grey set is another set than the coloured one."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest

from gan_jax.data import Dataset, DatasetSpec, grayscale_dataset, grayscale_spec
from gan_jax.data.grayscale import to_grayscale

SPEC = DatasetSpec("tiny", (2, 3, 3), 2, ("a", "b"), mirror_symmetric=True)


@pytest.mark.parametrize(
    ("colour", "luma"),
    [
        ((0, 0, 0), 0),
        ((255, 255, 255), 255),
        ((255, 0, 0), 76),  # 76.245
        ((0, 255, 0), 150),  # 149.685
        ((0, 0, 255), 29),  # 29.07
        ((10, 20, 30), 18),  # 2.99 + 11.74 + 3.42 = 18.15
        ((0, 2, 103), 13),  # 1.174 + 11.742 = 12.916
        ((0, 0, 250), 29),  # 28.5 exactly: up, where NumPy rounds to even
    ],
)
def test_luma_by_hand(colour, luma):
    gray = to_grayscale(np.array(colour, np.uint8).reshape(1, 1, 1, 3))

    assert gray.shape == (1, 1, 1, 1) and gray.dtype == np.uint8
    assert gray.item() == luma


def test_every_pixel_is_the_nearest_byte():
    images = np.random.default_rng(0).integers(256, size=(4, 5, 6, 3)).astype(np.uint8)

    gray = to_grayscale(images)

    assert gray.shape == (4, 5, 6, 1)
    weights = [Fraction(299, 1000), Fraction(587, 1000), Fraction(114, 1000)]
    for pixel, luma in zip(images.reshape(-1, 3), gray.reshape(-1), strict=True):
        exact = sum(w * int(value) for w, value in zip(weights, pixel, strict=True))
        assert abs(exact - int(luma)) <= Fraction(1, 2)


@pytest.mark.parametrize("shape", [(2, 4, 4, 1), (4, 4, 3)])
def test_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match=r"must be \[N, H, W, 3\], not \["):
        to_grayscale(np.zeros(shape, np.uint8))


def test_gray_set_has_its_own_spec_and_fingerprint():
    images = np.random.default_rng(1).integers(256, size=(5, 2, 3, 3)).astype(np.uint8)
    labels = np.array([0, 1, 1, 0, 1], np.int32)
    colour = Dataset(SPEC, images[:3], labels[:3], images[3:], labels[3:])

    gray = grayscale_dataset(colour)

    assert gray.spec == grayscale_spec(SPEC)
    assert gray.spec == dataclasses.replace(SPEC, image_shape=(2, 3, 1))
    np.testing.assert_array_equal(gray.train_images, to_grayscale(images[:3]))
    np.testing.assert_array_equal(gray.test_images, to_grayscale(images[3:]))
    np.testing.assert_array_equal(gray.train_labels, labels[:3])
    np.testing.assert_array_equal(gray.test_labels, labels[3:])
    assert gray.fingerprint() != colour.fingerprint()
